"""ask about recordings of many seconds: windows are chosen by themselves, and answers are in seconds."""

import re

import pytest

from skeletonllm.data.windows import cut_windows, window_clips
from skeletonllm.evaluation.timeline import find_segments, watch
from skeletonllm.models.long import ask_about_all, encode_clips
from skeletonllm.models.tiny import build_tiny
from skeletonllm.models.trained import Trained, load_trained, save_trained
from skeletonllm.serving.windows import NOBODY, WINDOW
from skeletonllm.skeleton.formats import read_skeleton, write_npz
from skeletonllm.skeleton.synthesis import synthesize_sequence
from skeletonllm.tasks import discrimination, recognition

LABELS = ["bow", "clap", "squat", "sit down"]
SIZES = dict(image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a model that was never trained: its answers are poor, but they depend on what it sees."""
    folder = tmp_path_factory.mktemp("model")
    texts = [recognition.build_prompt(LABELS), discrimination.build_prompt("bow"), *LABELS]
    save_trained(folder, Trained(*build_tiny(texts, num_frames=3, **SIZES), LABELS, {}))
    return folder


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Half a minute; for four seconds nobody is seen."""
    labels = ["bow", "kick", "clap", "squat", "turn around", "punch", "walk", "jump", "sit down"]
    sequence, _ = synthesize_sequence(labels, performer=2, topology="coco_17")
    assert sequence.duration > 20
    sequence.valid[90:210] = False
    path = tmp_path_factory.mktemp("long") / "long.npz"
    write_npz(sequence, path)
    return path


def lines_of(printed):
    """(start, stop, the rest) of each line."""
    found = [re.fullmatch(r"(\d+\.\d) s to (\d+\.\d) s:? (.+)", line).groups() for line in printed.splitlines()]
    return [(float(start), float(stop), rest) for start, stop, rest in found]


def wanted(model, long, question, answers, place, seconds=WINDOW):
    trained, sequence = load_trained(model), read_skeleton(long)
    spans, shares = watch(trained.model, trained.processor, sequence, question, answers, seconds, seconds / 4)
    found = find_segments("x", spans, shares[:, place])
    return [(round(f.segment.start, 1), round(f.segment.stop, 1), f"({f.score:.1%})") for f in found]


@pytest.mark.parametrize("question", ["When does she sit down?", "when is the person sitting down"])
def test_a_question_for_the_time_of_a_known_action_is_answered_in_seconds(run, model, long, question):
    code, printed, _ = run("ask", model, long, question)
    assert code == 0
    assert lines_of(printed) == wanted(model, long, recognition.build_prompt(LABELS), LABELS, 3)


def test_of_an_action_that_was_never_learnt_it_is_asked_whether_it_is_seen(run, model, long):
    code, printed, _ = run("ask", model, long, "When does he juggle?")
    question = discrimination.build_prompt("juggle")
    assert code == 0 and lines_of(printed) == wanted(model, long, question, ["YES", "NO"], 0)


def test_the_window_and_the_actions_to_tell_apart_are_the_users(run, model, long):
    code, printed, _ = run(
        "ask", model, long, "When does she squat?", "--window", "4", "--candidate", "jump", "--candidate", "squat"
    )
    pair = ["jump", "squat"]
    assert code == 0 and lines_of(printed) == wanted(model, long, recognition.build_prompt(pair), pair, 1, 4.0)


def test_without_a_question_a_long_recording_gets_a_timeline(run, model, long):
    code, printed, _ = run("ask", model, long)
    found = lines_of(printed)
    assert code == 0 and {rest for *_, rest in found} <= {*LABELS, NOBODY}
    assert found[0][0] == 0 and found[-1][1] == pytest.approx(read_skeleton(long).duration, abs=0.05)
    assert all(one[1] == other[0] for one, other in zip(found, found[1:], strict=False))
    (unseen,) = [line for line in found if line[2] == NOBODY]
    # From 3 s to 7 s; windows of 2 s that lie inside of that have their middles from 4 s to 6 s.
    assert unseen[:2] == pytest.approx((4, 6), abs=0.5)


def test_any_other_question_in_windows_is_one_prompt_of_all(run, model, long):
    code, printed, _ = run("ask", model, long, "What happens?", "--window", "3", "--max-new-tokens", "5")
    trained, sequence = load_trained(model), read_skeleton(long)
    windows = cut_windows(sequence.num_frames, sequence.fps, 3.0, 3.0)
    clips = window_clips(sequence, windows, trained.processor)
    encoded = encode_clips(trained.model, clips, [window.span for window in windows])
    assert code == 0
    assert printed.strip() == ask_about_all(trained.model, trained.processor, encoded, "What happens?", 5)


def test_short_recordings_and_other_questions_are_seen_in_one_clip_as_before(run, model, long, tmp_path):
    write_npz(read_skeleton(long).slice(0, 60), tmp_path / "short.npz")
    assert "%" in run("ask", model, tmp_path / "short.npz")[1]
    assert " s to " not in run("ask", model, long, "What happens?", "--max-new-tokens", "3")[1]
    printed = run("ask", model, long, "Which is it?", "--candidate", "bow", "--candidate", "clap")[1]
    assert len(printed.splitlines()) == 3 and "%" in printed


def test_what_cannot_be_done_in_windows_is_told(run, model, long):
    for arguments, message in (
        ((model, long, "Which?", "--window", "2", "--candidate", "bow"), "candidates are actions to tell apart"),
        ((model, long, "Which?", "--window", "2", "--api", "http://x", "--model", "m"), "--window is for trained"),
    ):
        code, printed, said = run("ask", *arguments)
        assert code == 2 and not printed and message in said
