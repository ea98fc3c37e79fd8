"""skeletonllm dance evaluate: tables, files, music, and what cannot be measured."""

import json
import sys

import numpy as np
import pytest

from skeletonllm.dance.body import adapters, default_body
from skeletonllm.dance.synthesis import make_dance, make_song, write_wav
from skeletonllm.skeleton.formats import write_npz

BODY = default_body()


@pytest.fixture(scope="module")
def dances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dances")
    for seed in range(2):
        song = make_song(seed, 6, 120)
        write_npz(make_dance(song, seed).to_sequence(BODY), folder / f"dance{seed}.npz")
        (folder / "songs").mkdir(exist_ok=True)
        write_wav(folder / "songs" / f"dance{seed}.wav", song.samples, song.rate)
    return folder


def test_dances_are_measured_raw_and_post_processed(run, dances, tmp_path):
    files = [dances / "dance0.npz", dances / "dance1.npz"]
    code, printed, error = run("dance", "evaluate", *files, "--reference", files[0].parent, "-o", tmp_path / "out.json")
    # The sounds beside the dances are no recordings: the folder is measured all the same, and the command says so.
    assert code == 2 and "dance0.wav" in error
    for part in (
        "dance0.npz",
        "dance1.npz",
        "post-processed",
        "foot skating, % ↓",
        "fid kinetic",
        "diversity geometric",
    ):
        assert part in printed, part
    # All but the path of the file.
    assert max(len(line) for line in printed.splitlines() if "written to" not in line) <= 80
    found = json.loads((tmp_path / "out.json").read_text())
    skating = [f"{found['metrics']['foot_skating'][form]['per_clip'][1]:.3g}" for form in ("raw", "post_processed")]
    assert any("dance1.npz" in line and " → ".join(skating) in line for line in printed.splitlines())
    assert found["metrics"]["foot_skating"]["raw"]["count"] == 2 and "commit" in found
    assert found["metrics"]["beat_alignment_music"]["raw"]["mean"] is None


def test_a_dancer_with_a_skin_has_crossing_triangles(run, dances, tmp_path, monkeypatch):
    body = default_body({"thigh": 1.2})

    class Skin:
        """Two triangles that cross."""

        faces = np.arange(6).reshape(2, 3)

        def vertices(self, motion):
            crossed = np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0], [1, 0.5, -1], [0.5, 0.5, 1], [0.6, 0.9, 1.0]])
            return np.broadcast_to(crossed, (motion.num_frames, 6, 3))

    Skin.body = body
    monkeypatch.setitem(adapters.BODY_MODELS, "smplx", ("smplx:PATH", lambda path: Skin()))
    code, printed, error = run(
        "dance", "evaluate", dances / "dance0.npz", "--body-model", "smplx:some.npz", "-o", tmp_path / "out.json"
    )
    assert code == 0, error
    assert json.loads((tmp_path / "out.json").read_text())["metrics"]["mesh_penetration"]["raw"]["per_clip"] == [1]
    assert "mesh penetration, pairs ↓" in printed and "1 → 1" in printed
    for model, told in (("skel", "expected smplx:PATH"), ("anny", "pip install anny")):
        monkeypatch.setitem(sys.modules, "anny", None)
        code, printed, error = run("dance", "evaluate", dances / "dance0.npz", "--body-model", model)
        assert code == 2 and told in error and len(error.splitlines()) == 1


def test_music_of_the_same_name_gives_beats(run, dances, tmp_path, monkeypatch):
    pytest.importorskip("librosa")
    monkeypatch.setenv("SKELETONLLM_CACHE", str(tmp_path))
    other = tmp_path / "songs"
    other.mkdir()
    (other / "dance0.wav").write_bytes((dances / "songs" / "dance0.wav").read_bytes())
    code, printed, error = run(
        "dance", "evaluate", dances / "dance0.npz", dances / "dance1.npz", "--music", other, "-o", tmp_path / "out.json"
    )
    assert code == 0 and "dance1.npz: no music, expected" in error
    alignment = json.loads((tmp_path / "out.json").read_text())["metrics"]["beat_alignment_music"]["raw"]["per_clip"]
    assert alignment[0] > 0.4 and alignment[1] is None


def test_what_is_no_dance_is_told_in_a_line_and_the_rest_is_measured(run, dances, tmp_path):
    short = tmp_path / "short.npz"
    write_npz(make_dance(make_song(0, 6, 120), 0).slice(0, 8).to_sequence(BODY), short)
    code, printed, error = run("dance", "evaluate", short, dances / "dance0.npz")
    assert code == 2 and "short.npz" in error and "expected at least 0.5 s" in error and "dance0.npz" in printed
    code, printed, error = run("dance", "evaluate", short)
    assert code == 2 and "no dance that can be measured" in error and not printed
    code, printed, error = run("dance", "evaluate", dances / "dance0.npz", "--reference", dances / "dance0.npz")
    assert code == 2 and "1 dances, expected at least 2 for FID" in error
