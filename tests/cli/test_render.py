"""skeletonllm render: every output, and wishes that cannot be met."""

import numpy as np
import pytest
import torch
from PIL import Image

from skeletonllm.cli.render import Backend, load_renderer, plan_outputs
from skeletonllm.rendering.recording import MOST_PIXELS, MOVIE_FRAMES, choose_count, cut
from skeletonllm.skeleton.formats import read_skeleton
from skeletonllm.skeleton.sequence import published_frame_indices

SMALL = ("--size", 48)


def test_a_gif_plays_at_the_speed_of_the_recording(run, recording, tmp_path):
    code, printed, _ = run("render", recording(frames=40, fps=20), "-o", tmp_path / "new" / "out.gif", *SMALL)
    assert code == 0 and printed.strip() == str(tmp_path / "new" / "out.gif")
    with Image.open(tmp_path / "new" / "out.gif") as gif:
        assert gif.size == (48, 48) and gif.n_frames == 30  # two seconds at 15 per second
        durations = []
        for frame in range(gif.n_frames):
            gif.seek(frame)
            durations.append(gif.info["duration"])
        gif.seek(10)
        assert np.asarray(gif.convert("RGB")).max() > 100
    assert sum(durations) == 2000


def test_a_slow_recording_keeps_all_its_frames(run, recording, tmp_path):
    run("render", recording(frames=10, fps=5), "-o", tmp_path / "out.gif", *SMALL)
    with Image.open(tmp_path / "out.gif") as gif:
        assert gif.n_frames == 10 and gif.info["duration"] == 200


def test_a_video_has_the_size_and_length_asked_for(run, recording, tmp_path):
    import imageio_ffmpeg

    code, _, _ = run("render", recording(frames=20, fps=10), "-o", tmp_path / "OUT.MP4", "--size", 64, "--frames", 8)
    assert code == 0
    about = next(imageio_ffmpeg.read_frames(str(tmp_path / "OUT.MP4")))
    assert about["source_size"] == (64, 64) and about["fps"] == 4 and about["duration"] == pytest.approx(2.0, abs=0.01)


def test_several_recordings_share_a_sheet_one_below_the_other(run, recording, tmp_path):
    one, two = recording("one.npz"), recording("two.npz", frames=3)
    run("render", one, "-o", tmp_path / "one.png", *SMALL, "--frames", 5)
    code, printed, _ = run("render", one, two, "-o", tmp_path / "both.png", *SMALL, "--frames", 5)
    assert code == 0 and printed.count("both.png") == 1
    with Image.open(tmp_path / "one.png") as single, Image.open(tmp_path / "both.png") as both:
        assert both.height == 2 * single.height and both.width == single.width
        first = np.asarray(both)[: single.height // 2]
        assert np.array_equal(first, np.asarray(single)[: single.height // 2])


def test_a_folder_takes_numbered_pictures_and_one_folder_per_recording(run, recording, tmp_path):
    one, two = recording("a.npz"), recording("b.npz")
    assert run("render", one, "-o", f"{tmp_path}/plain", *SMALL, "--frames", 3)[0] == 0
    assert sorted(path.name for path in (tmp_path / "plain").iterdir()) == [f"frame_000{i}.png" for i in range(3)]
    assert run("render", one, two, "-o", f"{tmp_path}/more.d/", *SMALL, "--frames", 2)[0] == 0
    assert sorted(path.name for path in (tmp_path / "more.d").iterdir()) == ["a_npz", "b_npz"]


def test_a_recording_always_gives_the_same_picture(run, recording, tmp_path):
    path = recording()
    for name, seed in (("a.png", 1), ("b.png", 2)):
        torch.manual_seed(seed)
        run("render", path, "-o", tmp_path / name, *SMALL)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("name", ["out.avi", "out.npz", "out.jpeg"])
def test_an_unknown_suffix_is_answered_with_the_known_ones(run, recording, tmp_path, name):
    code, printed, error = run("render", recording(), "-o", tmp_path / name)
    assert code == 2 and not printed and error.count("\n") == 1
    assert ".gif, .mp4, .png or a folder" in error and not (tmp_path / name).exists()


def test_the_recording_itself_is_never_overwritten(run, recording, tmp_path, monkeypatch):
    path = recording("disguised.png")
    content = path.read_bytes()
    monkeypatch.chdir(tmp_path)
    code, _, error = run("render", path, "-o", "../" + tmp_path.name + "/disguised.png")
    assert code == 2 and "the recording itself" in error and path.read_bytes() == content


def test_several_recordings_do_not_fit_one_video(run, recording, tmp_path):
    code, _, error = run("render", recording("a.npz"), recording("b.npz"), "-o", tmp_path / "out.gif")
    assert code == 2 and "folder or .png for 2 files" in error


def test_recordings_of_one_name_do_not_share_a_folder(tmp_path):
    with pytest.raises(ValueError, match="same name"):
        plan_outputs([tmp_path / "x" / "a.npz", tmp_path / "y" / "a.npz"], f"{tmp_path}/")
    names = [tmp_path / "x" / "a.npz", tmp_path / "x" / "a.npy"]
    assert len(set(plan_outputs(names, f"{tmp_path}/"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.npz", "-o", "a.gif"], "absent.npz: No such file or directory"),
        (["walk.npz", "-o", "a.gif", "--weights", "none.safetensors"], "none.safetensors"),
        (["walk.npz", "-o", "a.gif", "--weights", "walk.npz"], "walk.npz: not a safetensors file"),
        (["walk.npz", "-o", "a.gif", "--format", "bvh9"], "unknown format 'bvh9'"),
        (["walk.npz", "-o", "a.gif", "--size", "4096", "--frames", "900"], "at most 9 do"),
    ],
)
def test_wrong_arguments_give_one_line_and_no_file(run, recording, tmp_path, monkeypatch, arguments, message):
    recording()
    monkeypatch.chdir(tmp_path)
    code, printed, error = run("render", *arguments)
    assert code == 2 and not printed and message in error and error.count("\n") == 1
    assert not (tmp_path / "a.gif").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="the path is there on machines with a GPU")
def test_a_path_that_this_machine_lacks_is_refused_in_one_line(run, recording, tmp_path):
    code, _, error = run("render", recording(), "-o", tmp_path / "a.gif", "--backend", "triton")
    assert code == 2 and "triton" in error and error.count("\n") == 1


def test_wrong_options_are_refused(run, recording, tmp_path):
    for wrong in (["--backend", "fpga"], ["--frames", "0"], ["--size", "2"]):
        assert run("render", recording(), "-o", tmp_path / "a.gif", *wrong)[0] == 2


def test_long_recordings_are_thinned_and_huge_pictures_are_few(recording):
    sequence = read_skeleton(recording(frames=3000, fps=30))
    assert choose_count(sequence, ".gif", None, 448) == MOVIE_FRAMES
    assert choose_count(sequence, ".png", None, 448) == 12
    assert choose_count(sequence, "", 700, 448) == 700
    assert choose_count(sequence, ".mp4", None, 4096) * 4096**2 <= MOST_PIXELS
    assert choose_count(read_skeleton(recording("one.npz", frames=1)), ".mp4", None, 448) == 1


def test_published_weights_get_velocities_in_their_unit(shared):
    from skeletonllm.skeleton.sequence import SkeletonSequence

    renderer = load_renderer(shared / "golden" / "weights" / "draction_candidate_01.safetensors", Backend.cpu)
    poses = np.load(shared / "golden" / "ntu_synth_112.npz")["poses"]
    sequence = SkeletonSequence(poses, 30, "kinect-v2")
    sheet, movie = cut(sequence, 12, ".png", renderer), cut(sequence, 40, ".gif", renderer)
    now = published_frame_indices(40, 12)
    torch.testing.assert_close(sheet.joints, torch.from_numpy(sequence.joints[now]))
    torch.testing.assert_close(movie.joints, torch.from_numpy(sequence.joints))
    later = np.minimum(np.arange(40) + 4, 39)
    torch.testing.assert_close(movie.velocities, torch.from_numpy(sequence.joints[later] - sequence.joints))
    torch.testing.assert_close(sheet.velocities, movie.velocities[now])


def test_published_weights_draw_another_picture(run, shared, tmp_path):
    file = shared / "data" / "ntu_rgbd_samples" / "S001C001P001R001A050.skeleton"
    weights = shared / "golden" / "weights" / "draction_candidate_01.safetensors"
    assert run("render", file, "-o", tmp_path / "ours.png", *SMALL, "--frames", 2)[0] == 0
    assert run("render", file, "-o", tmp_path / "theirs.png", *SMALL, "--frames", 2, "--weights", weights)[0] == 0
    assert (tmp_path / "ours.png").read_bytes() != (tmp_path / "theirs.png").read_bytes()


def test_a_trained_checkpoint_draws_with_its_own_renderer(run, recording, tmp_path):
    from skeletonllm.models.tiny import build_tiny

    sizes = dict(image_size=32, patch_size=16, vision_hidden_size=16, vision_layers=1, hidden_size=16, layers=1)
    model, _ = build_tiny(["walk"], num_frames=2, **sizes)
    with torch.no_grad():
        model.renderer.palette[:, :3] = torch.tensor([9.0, -9.0, -9.0])
        model.renderer.depth_mix_logit.fill_(-9.0)
    model.save_pretrained(tmp_path / "checkpoint")
    code, _, _ = run(
        "render", recording(), "-o", tmp_path / "frames", *SMALL, "--frames", 1, "--weights", tmp_path / "checkpoint"
    )
    assert code == 0
    with Image.open(tmp_path / "frames" / "frame_0000.png") as picture:
        red, green, blue = np.asarray(picture, float).sum(axis=(0, 1))
    assert red > 20 * max(green, blue)
