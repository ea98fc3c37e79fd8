"""Files of many formats as one mixture: one renderer learns from each of them, with one set of parameters."""

import importlib.util
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from minute_runs import weights_of

from skeletonllm.models.tiny import build_tiny
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.formats import detect_format, read_skeleton, write_skeleton
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt
from skeletonllm.training.build import tiny_texts
from skeletonllm.training.run import train

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["clap", "kick", "squat"]
# Where a person is in a picture whose sides are 1 long, and how large.
MIDDLE, PER_METRE = 0.5, 0.4


def write_nw_ucla(sequence, path):
    path.write_text(json.dumps({"skeletons": sequence.joints[:, 0].tolist()}))


def write_gtu(sequence, path):
    path.write_text("".join(f"{x} {y} {z}\n" for x, y, z in sequence.joints[:, 0].reshape(-1, 3)))


def in_picture(sequence):
    """(T, J, 2) to the right and down, as shares of the picture."""
    body = sequence.joints[:, 0, :, :2]
    return MIDDLE - PER_METRE * (body - body.mean((0, 1)))


def write_rows(sequence, path):
    points = in_picture(sequence).reshape(sequence.num_frames, -1).tolist()
    rows = [[1, 1, n, sequence.label, f"{n:05d}.png", *row] for n, row in enumerate(points, start=1)]
    path.write_text(json.dumps(rows))


def write_jhmdb(sequence, path):
    path.write_bytes(pickle.dumps({"pose": [in_picture(sequence) - MIDDLE], "label": [sequence.label]}))


def write_mediapipe(sequence, path):
    points = in_picture(sequence)
    rows = np.concatenate([points, np.zeros_like(points[..., :1]), np.ones_like(points[..., :1])], -1)
    lines = [",".join([*map(str, range(132)), "asana"])]
    lines += [",".join([*map(str, row.ravel()), sequence.label]) for row in rows]
    path.write_text("\n".join(lines) + "\n")


# Format -> topology of the body, name of the file, and what writes it.
WRITTEN = {
    "npz": ("kinect_v2", "clip.npz", write_skeleton),
    "npy_joints": ("h36m_17", "clip.npy", write_skeleton),
    "humanml3d": ("smpl_22", "clip.npy", write_skeleton),
    "bvh": ("smpl_24", "clip.bvh", write_skeleton),
    "coco": ("coco_17", "clip.json", write_skeleton),
    "nw_ucla": ("kinect_v1", "clip.json", write_nw_ucla),
    "gtu": ("kinect_v2", "clip.txt", write_gtu),
    "skeleton_rows": ("openpose_18", "skeletons_info.txt", write_rows),
    "jhmdb": ("jhmdb_15", "GT_test_1.pkl", write_jhmdb),
    "mediapipe": ("mediapipe_33", "clip.csv", write_mediapipe),
}
FORMATS = sorted(WRITTEN)


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    """A folder per format, in it one per label, in it a file."""
    folder = tmp_path_factory.mktemp("formats")
    for performer, (name, (topology, file, write)) in enumerate(WRITTEN.items()):
        label = LABELS[performer % len(LABELS)]
        path = folder / name / label / file
        path.parent.mkdir(parents=True)
        write(synthesize(label, topology=topology, performer=performer, seconds=1.0, noise=0.0), path)
    return {name: folder / name for name in FORMATS}


@pytest.fixture(scope="module")
def gradients():
    """The benchmark."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(ROOT / "kernels" / "benchmarks"))
    spec = importlib.util.spec_from_file_location("format_gradients", ROOT / "benchmarks" / "format_gradients.py")
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    patch.undo()


@pytest.fixture(scope="module")
def tiny():
    """An untrained model and its processor: small pictures, every part of the renderer."""
    sizes = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)
    model, processor = build_tiny(tiny_texts(LABELS), num_frames=3, renderer=dict(samples_per_bone=2), **sizes)
    return model.eval(), processor


def only_file(root: Path) -> Path:
    (path,) = (path for path in root.rglob("*") if path.is_file())
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_moves_every_parameter_of_the_renderer(gradients, roots, tiny, name):
    assert detect_format(only_file(roots[name])).name == name
    groups = gradients.groups_of(roots[name], 4)
    assert list(groups) == [name]
    pulled = gradients.pull(*tiny, groups[name], LABELS)
    assert set(pulled.norms) == {key for key, _ in tiny[0].renderer.named_parameters()}
    gradients.check(name, pulled)
    # An arm, a leg and the trunk at least have features.
    assert pulled.clips == 1 and 0 < pulled.loss < 20 and pulled.touched > 0.4


def test_a_mixed_batch_teaches_what_its_formats_teach_one_by_one(roots, tiny):
    """Nothing of one clip depends on the topologies that it shares a batch with."""
    model, processor = tiny
    sequences = {name: read_skeleton(only_file(root)) for name, root in roots.items()}
    assert len({sequence.topology.name for sequence in sequences.values()}) == 9

    def gradient(names):
        clips = [processor.sample(sequences[name]) for name in names]
        answers = [only_file(roots[name]).parent.name for name in names]
        model.zero_grad()
        model(**processor(clips, [build_prompt(LABELS)] * len(clips), answers)).loss.backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.renderer.parameters()]).double()

    alone = torch.stack([gradient([name]) for name in FORMATS])
    # Sums of float32 in another order.
    assert (gradient(FORMATS) - alone.mean(0)).norm() < 1e-4 * alone.mean(0).norm()


def test_one_step_of_a_mixture_learns_from_all_formats_with_one_set_of_parameters(recipe, roots, tmp_path, start_of):
    mixture = {name: dict(source="folder", root=str(root)) for name, root in roots.items()}
    asked = recipe(
        scratch=dict(epochs=1), data=dict(options={}, mixture=mixture), optimization=dict(batch_size=len(roots))
    )
    train(asked, tmp_path / "run")
    (step,) = (tmp_path / "run/ledger/rank-00000.jsonl").read_text().splitlines()
    ids = [id for microbatch in json.loads(step)["ids"] for id in microbatch]
    assert sorted(id.split(":")[0] for id in ids) == FORMATS
    (line,) = map(json.loads, (tmp_path / "run/log.jsonl").read_text().splitlines())
    assert 0 < line["gradient_norm/renderer"] < float("inf")

    started = start_of(asked).renderer.state_dict()
    learnt = {
        name.removeprefix("renderer."): value
        for name, value in weights_of(tmp_path / "run").items()
        if name.startswith("renderer.")
    }
    # Those of a renderer that has seen no skeleton at all: none was added for a topology.
    fresh = DrAction(**asked.model.renderer).state_dict()
    assert {name: value.shape for name, value in learnt.items()} == {n: value.shape for n, value in fresh.items()}
    assert all(not torch.equal(learnt[name], started[name]) for name in fresh)


def columns_of(printed: str) -> list[list[str]]:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_benchmark_prints_a_line_per_format(gradients, roots, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["format_gradients.py", *map(str, roots.values()), "--clips", "1"])
    gradients.main()
    printed = capsys.readouterr().out
    rows = columns_of(printed)
    assert [row[0] for row in rows] == FORMATS
    assert all(float(value) > 0 for row in rows for value in row[3:-1])
    assert "10 groups, 9 topologies, one set of" in printed


def test_a_renderer_that_learns_nothing_from_a_format_ends_the_benchmark(gradients, roots, monkeypatch):
    render = DrAction.render
    monkeypatch.setattr(DrAction, "render", lambda *given, **named: render(*given, **named).detach())
    monkeypatch.setattr("sys.argv", ["format_gradients.py", str(roots["bvh"])])
    with pytest.raises(SystemExit, match="bvh: gradient norm of the renderer's features is 0.0"):
        gradients.main()


def test_real_files_of_fourteen_formats_teach_the_one_renderer(gradients, shared, monkeypatch, capsys):
    """All but the larger data sets, whose formats are among those of other tests."""
    folders = [path for path in sorted((shared / "data").iterdir()) if path.is_dir()]
    roots = [path for path in folders if path.name not in ("penn_action", "utd_mhad")]
    monkeypatch.setattr("sys.argv", ["format_gradients.py", *map(str, roots), "--clips", "1"])
    gradients.main()
    assert [row[0] for row in columns_of(capsys.readouterr().out)] == [
        "acclaim", "aist", "amass", "bvh", "deepmimic", "gtu", "humanml3d", "jhmdb", "mediapipe", "msr_action3d", "ntu",
        "skeleton_rows", "ui_prmd", "utkinect",
    ]  # fmt: skip
