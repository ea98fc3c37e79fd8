"""The pictures of the documentation: each is made by the script, shows what its page says, and is as it was made."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from skeletonllm.rendering.gaussians import gaussian_table
from skeletonllm.skeleton.cleaning.cleaner import is_flat
from skeletonllm.skeleton.formats import FORMATS
from skeletonllm.skeleton.topologies import KINECT_V2

pytest.importorskip("scipy", reason="writes files of formats that keep rotations, or are MATLAB's")

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOLDER = DOCS / "figures"
# Of grey values: pictures are kept with 112 colours of their own, so that bodies are off by some values and black is
# not, 0.1 to 1.3 on average. Mirrored ones, and other moments, are off by more than four times as much.
PALETTE = 1.5


@pytest.fixture(scope="module")
def make():
    """The script, whose modules no other test sees."""
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    import make

    yield make
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def pages() -> dict[Path, str]:
    return {page: page.read_text() for page in [DOCS.parent / "README.md", *DOCS.rglob("*.md")]}


def shown() -> set[Path]:
    """All pictures on pages."""
    return {
        (page.parent / link).resolve()
        for page, text in pages().items()
        for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text)
    }


def apart(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference of grey values."""
    one, other = (np.asarray(picture.convert("RGB"), float) for picture in (one, other))
    return float(np.abs(one - other).mean()) if one.shape == other.shape else 255.0


def test_every_picture_is_made_by_the_script_and_every_one_of_those_is_on_a_page(make):
    made = {FOLDER / f"{name}.png" for name in make.FIGURES} | {DOCS / name for name in make.OTHERS}
    assert {path for path in FOLDER.iterdir() if path.suffix not in (".py", "")} == made - {
        DOCS / n for n in make.OTHERS
    }
    assert all(path.is_file() for path in made)
    assert made <= shown()


def test_pictures_are_small(make):
    sizes = {name: (FOLDER / f"{name}.png").stat().st_size for name in make.FIGURES}
    assert {name: size for name, size in sizes.items() if size > 25_000} == {}
    assert sum(sizes.values()) < 600_000


def test_every_format_is_shown_and_its_caption_says_what_its_reader_finds(make):
    cell = r"!\[(\w+): ([\w ]+)\]\(figures/format_\1\.png\)<br>`\1`: \2\. (\d+) joints, ([23])-D\."
    told = {name: (int(joints), int(axes)) for name, _, joints, axes in re.findall(cell, pages()[DOCS / "formats.md"])}
    assert set(told) == set(FORMATS)
    found = {}
    for name in FORMATS:
        sequence = make.formats.read_back(name)
        found[name] = sequence.topology.num_joints, 2 if is_flat(sequence.joints, sequence.valid) else 3
    assert told == found


def test_people_in_the_pictures_of_formats_are_upright_and_not_mirrored(make):
    for name, example in make.formats.EXAMPLES.items():
        sequence = make.formats.read_back(name)
        joints = dict(zip(sequence.topology.joints, sequence.joints[0, 0], strict=True))
        assert joints["left_shoulder"][1] > joints["left_knee"][1] > joints["left_ankle"][1], name
        if sequence.num_persons == 1:  # two stand opposite each other; all others begin facing the camera, or nearly
            assert joints["left_shoulder"][0] < joints["right_shoulder"][0], name
        if example.action == "wave right hand":
            places = {side: sequence.topology.index(f"{side}_wrist") for side in ("left", "right")}
            highest = {side: sequence.joints[:, 0, joint, 1].max() for side, joint in places.items()}
            assert highest["right"] > highest["left"] + 0.3, name


@pytest.mark.parametrize("name", ["format_deepmimic", "format_ntu", "format_coco", "draw_missing"])
def test_the_script_makes_the_picture_that_is_kept(make, name):
    kept, made = Image.open(FOLDER / f"{name}.png"), make.FIGURES[name]()
    # Words are left out: other versions of Pillow may draw them with other edges.
    below = (0, make.canvas.TITLE if name.startswith("draw_") else 0, *made.size)
    kept, made = kept.convert("RGB").crop(below), made.crop(below)
    assert apart(kept, made) < PALETTE
    assert apart(kept, made.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 4 * PALETTE


def test_another_moment_is_not_taken_for_the_picture_that_is_kept(make, monkeypatch):
    example = make.formats.EXAMPLES["gtu"]
    monkeypatch.setitem(make.formats.EXAMPLES, "gtu", type(example)(**vars(example) | {"action": "raise both arms"}))
    kept = Image.open(FOLDER / "format_gtu.png")
    assert apart(kept, make.FIGURES["format_gtu"]()) > 4 * PALETTE


def test_a_file_of_another_format_is_no_picture_of_one(make, monkeypatch):
    monkeypatch.setitem(make.formats.EXAMPLES, "nw_ucla", make.formats.EXAMPLES["gtu"])
    with pytest.raises(ValueError, match="punch.txt was taken for gtu, expected nw_ucla"):
        make.formats.read_back("nw_ucla")


def test_a_name_that_is_none_is_refused_before_anything_is_made(make, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["make.py", "format_npz", "format_none"])
    with pytest.raises(SystemExit):
        make.main()
    written = capsys.readouterr()
    assert "no figure format_none" in written.err and written.out == ""


# What docs/how_it_draws.md says


def test_the_counts_of_the_page_are_those_of_the_code(make):
    text = " ".join(pages()[DOCS / "how_it_draws.md"].split())
    assert f"25 + 240 = {len(gaussian_table(KINECT_V2, 10))}" in text
    parameters = sum(parameter.numel() for parameter in make.kinds.untrained().parameters())
    assert f"make {parameters:,} parameters" in text
    mixed = torch.sigmoid(make.kinds.load_shipped().model.renderer.depth_mix_logit).item()
    assert "depth a tenth instead of a half" in text and 0.05 < mixed < 0.15


def test_who_is_listed_first_does_not_matter_and_who_is_unknown_leaves_no_trace(make):
    size, step = make.bodies.SIZE, make.bodies.SIZE + make.canvas.GAP
    row = np.asarray(make.bodies.persons())[make.canvas.TITLE :].astype(int)
    turned, swapped, only = (row[:, number * step :][:, :size] for number in (2, 3, 4))
    # One grey value: sums of the same Gaussians in another order where two have the same depth.
    assert np.abs(turned - swapped).max() <= 1
    push = make.bodies.moment(make.bodies.action("push", 9), 4)
    alone = replace(push, **{name: getattr(push, name)[:, :1] for name in ("joints", "velocities", "valid")})
    (drawn,) = make.canvas.pictures(make.bodies.render(make.bodies.untrained(), alone, size))
    assert np.abs(only - np.asarray(drawn)).max() <= 1


def test_a_gru_keeps_a_trace_of_motion_and_an_mlp_does_not(make):
    size, gap = make.colors.SIZE, make.canvas.GAP
    picture = np.asarray(make.colors.memory())[make.canvas.TITLE :]
    left = picture.shape[1] - (4 * size + 3 * gap)
    kept = [
        [picture[row * (size + gap) :, left + column * (size + gap) :][:size, :size].max() for column in range(4)]
        for row in (1, 2)
    ]
    (moving, still, later, _), (_, *nothing) = kept
    assert moving > still > later > 0 and nothing == [0, 0, 0]


def test_a_wrong_pose_follows_the_gradient_of_a_picture(make):
    found = make.fitting.fit(steps=5)
    assert found.losses[1] < 0.5 * found.losses[0]
    wanted = found.wanted.joints[0, 0]
    before, after = ((pose - wanted).norm(dim=-1).mean() for pose in found.poses)
    assert after < 0.7 * before
