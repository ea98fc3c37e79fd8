"""Jobs of a teacher: questions over HTTP to a server that answers well, badly, late or not at all."""

import base64
import io
import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from teacher_server import Served, TeacherServer, label_of, pictures_of

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.mixture import Mixture, Part
from skeletonllm.data.recordings import PoisonedDataError, read_all
from skeletonllm.data.sources.synthetic import recordings as synthetic
from skeletonllm.data.teacher import (
    Caps,
    Endpoint,
    EndpointError,
    Frames,
    RequestPolicy,
    Sampling,
    TeacherSettings,
    attach_rationales,
    teach,
)
from skeletonllm.data.teacher.frames import clip_digest
from skeletonllm.data.teacher.ledger import ROWS_PER_FILE
from skeletonllm.models.tiny import build_tiny
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.formats import SkeletonFormatError
from skeletonllm.skeleton.synthesis import describe

LABELS = ("bow", "clap", "jump", "kick", "raise both arms", "squat", "wave right hand", "walk")
TRUTH = {label: describe(label, performer=0) for label in LABELS}
KEY = "sk-a-key-that-nobody-may-see"
# Pauses between tries play no part in what is tested.
QUICK = RequestPolicy(timeout=5.0, tries=4, first_pause=0.001)


def truthful(question: dict, number: int = 0) -> Served:
    label = label_of(question)
    return Served(f"{TRUTH[label]}\nLabel: {label}")


def lying(question: dict, number: int = 0) -> Served:
    other = LABELS[(LABELS.index(label_of(question)) + 1) % len(LABELS)]
    return Served(f"{TRUTH[other]}\nLabel: {other}")


def renderer() -> DrAction:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DrAction("none", samples_per_bone=2)


@pytest.fixture(scope="module")
def lessons():
    """Eight training recordings, one of each label."""
    return read_all(synthetic(topologies=["coco_17"], performers=1, test_performers=0, labels=LABELS))


@pytest.fixture(scope="module")
def frames(lessons) -> Frames:
    sampling = Sampling(num_frames=3, augmentation=Augmentation(trim=0.2, yaw=20, noise=0.01), seed=5)
    return Frames(lessons, sampling, renderer(), image_size=16)


@pytest.fixture
def ask(frames, tmp_path):
    """A job with a server that answers so: (its summary, the server)."""

    def ask(answer, settings=None, *, policy=QUICK, key=None, shown=frames, folder="taught", **options):
        with TeacherServer(answer) as server:
            endpoint = Endpoint(server.url, "teacher", key, policy)
            try:
                return teach(shown, endpoint, tmp_path / folder, settings, **options), server
            finally:
                ask.server = server

    return ask


def rows(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_truthful_answers_become_rationales_of_their_recordings(ask, lessons, tmp_path):
    summary, server = ask(truthful)
    assert (summary.accepted, summary.rejected, summary.left, summary.ended) == (8, 0, 0, "done")
    assert summary.tokens == 8 * 120 and len(server.questions) == 8
    attached = attach_rationales([recording for recording, _ in lessons], tmp_path / "taught")
    assert {recording.label: recording.rationale() for recording in attached} == TRUTH


def test_the_question_shows_numbered_frames_and_tells_the_label(ask, frames, lessons):
    _, server = ask(truthful)
    question = next(q for q in server.questions if label_of(q) == "kick")
    number = LABELS.index("kick")
    parts = question["messages"][1]["content"]
    assert [part["text"] for part in parts[0:6:2]] == ["Frame1:", "Frame2:", "Frame3:"]
    assert [part["type"] for part in parts] == ["text", "image_url"] * 3 + ["text"]
    drawn = frames.renderer.render(frames.clip(number), image_size=16)[0]
    for url, frame in zip(pictures_of(question), drawn, strict=True):
        png = base64.b64decode(url.removeprefix("data:image/png;base64,"))
        seen = torch.from_numpy(np.array(Image.open(io.BytesIO(png)))).movedim(-1, 0) / 255
        assert (seen - frame).abs().max() < 0.5 / 255 + 1e-6  # rounded to a byte
    assert question["model"] == "teacher" and question["temperature"] == 0.2 and question["max_tokens"] == 512


def test_the_teacher_sees_the_clips_of_a_student_of_the_same_recipe(ask, frames, lessons, tmp_path):
    ask(truthful)
    taught = {row["id"]: row for row in rows(tmp_path / "taught" / "accepted.jsonl")}
    _, processor = build_tiny(["a"], seed=0, num_frames=3, image_size=16, patch_size=8)
    sampling = frames.sampling
    student = Examples(lessons, processor, 4, sampling.augmentation, {"rationale": 1.0}, variants=1, seed=sampling.seed)
    seen = [example for step in range(2) for example in student.batch(step)]
    assert len(seen) == 8
    for example in seen:
        identity = taught[example.id]["frames"]
        assert identity["clip"] == clip_digest(example.clip)
        fps = dict((recording.id, sequence.fps) for recording, sequence in lessons)[example.id]
        assert identity["indices"] == [round(float(t) * fps) for t in example.clip.times]
    other = Examples(lessons, processor, 4, sampling.augmentation, {"rationale": 1.0}, variants=1, seed=6)
    assert taught[other.batch(0)[0].id]["frames"]["clip"] != clip_digest(other.batch(0)[0].clip)


def test_every_row_tells_how_it_came_about(ask, frames, tmp_path):
    ask(truthful, TeacherSettings(seed=3))
    row = rows(tmp_path / "taught" / "accepted.jsonl")[0]
    assert row["model"] == "teacher" and row["served_model"] == "served-teacher" and row["prompt_version"] == "1"
    assert row["finish_reason"] == "stop" and (row["prompt_tokens"], row["completion_tokens"]) == (100, 20)
    assert row["said"] == row["label"] and row["moved"] and row["frames"]["image_size"] == 16
    assert row["frames"]["renderer"] == frames.renderer_digest
    sent = {label_of(question): question["seed"] for question in ask.server.questions}
    assert row["seed"] == sent[row["label"]] and len(set(sent.values())) == 8


def test_it_streams_as_a_data_set(ask, tmp_path, monkeypatch):
    ask(truthful)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from datasets import load_dataset

    streamed = list(load_dataset(str(tmp_path / "taught"), split="train", streaming=True))
    assert {row["label"]: row["rationale"] for row in streamed} == TRUTH
    assert all(len(row["frames"]["indices"]) == 3 for row in streamed)


def test_many_questions_are_under_way_but_never_more_than_allowed(ask):
    _, server = ask(lambda q, n: replace(truthful(q), wait=0.1), concurrency=3)
    assert server.most_at_once == 3


@pytest.mark.parametrize(
    "trouble",
    [
        Served(status=500),
        Served(status=429),
        Served(b"<html>busy</html>", status=503),
        Served("half", cut=20),
        Served("nothing", cut=0),
        Served(b'{"choices": [{"message": {"content": "no'),
        Served(b'{"choices": []}'),
        Served(b"[1]"),
    ],
    ids=["500", "429", "503", "half_a_body", "closed", "half_of_json", "no_choice", "other_json"],
)
def test_passing_trouble_is_outlived(ask, trouble):
    def answer(question, number):
        return trouble if number % 3 == 0 else truthful(question)

    summary, server = ask(answer)
    assert (summary.accepted, summary.left) == (8, 0)
    assert len(server.questions) > 8


def test_an_answer_that_comes_too_late_is_asked_for_again(ask):
    def answer(question, number):
        return replace(truthful(question), wait=30.0 if number == 0 else 0.0)

    summary, server = ask(answer, policy=replace(QUICK, timeout=0.5))
    assert summary.accepted == 8 and len(server.questions) == 9


def test_nobody_asks_before_the_server_said_they_may(ask):
    def answer(question, number):
        if number == 1:  # the other of two that are under way together, and done long before the second is over
            return replace(truthful(question), wait=0.5)
        return Served(status=429, headers={"Retry-After": "1"}) if number == 2 else truthful(question)

    _, server = ask(answer, concurrency=2)
    assert server.times[3] - server.times[2] >= 1


def test_pauses_grow_from_try_to_try(ask):
    def answer(question, number):
        return Served(status=500) if number < 3 else truthful(question)

    _, server = ask(answer, policy=replace(QUICK, first_pause=0.08))
    pauses = np.diff(server.times)[:3]
    # Each is drawn from half to one and a half times 0.08 s x 1, 2, 4.
    assert all(pause >= 0.04 * 2**number for number, pause in enumerate(pauses))


def test_requests_keep_to_their_rate(ask):
    begin = time.monotonic()
    ask(truthful, policy=replace(QUICK, requests_per_minute=60 / 0.05))
    assert time.monotonic() - begin >= 7 * 0.05


def test_a_wrong_key_costs_one_question_and_is_told_without_the_key(ask, caplog):
    def answer(question, number):
        return Served(json.dumps({"error": f"wrong key {KEY}"}).encode(), status=401)

    with pytest.raises(EndpointError, match="key is missing or not accepted") as raised:
        ask(answer, key=KEY)
    assert len(ask.server.questions) == 1 and KEY not in str(raised.value) and KEY not in caplog.text


def test_the_key_travels_to_the_endpoint_and_is_written_nowhere(ask, tmp_path):
    _, server = ask(lambda q, n: Served(f"{KEY}\nLabel: no") if n else truthful(q), key=KEY)
    assert {headers["Authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    assert {headers["path"] for headers in server.headers} == {"/v1/chat/completions"}
    for path in (tmp_path / "taught").rglob("*"):
        if path.is_file():  # not even where the server repeats it
            assert KEY.encode() not in path.read_bytes()


def test_a_model_that_is_not_there_ends_the_job_at_once(ask):
    with pytest.raises(EndpointError, match="404.*teacher.*no such model"):
        ask(lambda q, n: Served(b"no such model", status=404))
    assert len(ask.server.questions) == 1


def test_an_endpoint_that_is_down_ends_the_job_and_nothing_is_lost(ask, tmp_path):
    with pytest.raises(EndpointError, match="in a row without an answer"):
        ask(lambda q, n: truthful(q) if n < 2 else Served(status=500), concurrency=1)
    assert len(rows(tmp_path / "taught" / "accepted.jsonl")) == 2
    summary, server = ask(truthful)
    assert (summary.accepted, len(server.questions)) == (8, 6)


def test_a_question_without_answer_is_left_for_another_start(ask):
    def answer(question, number):
        return Served(status=500) if label_of(question) == "kick" else truthful(question)

    summary, _ = ask(answer)
    assert (summary.accepted, summary.rejected, summary.left, summary.ended) == (7, 0, 1, "unanswered")
    summary, server = ask(truthful)
    assert summary.ended == "done" and [label_of(question) for question in server.questions] == ["kick"]


def test_a_question_that_the_endpoint_refuses_is_rejected_and_not_asked_again(ask, tmp_path):
    def answer(question, number):
        return Served(b"filtered", status=400) if label_of(question) == LABELS[0] else truthful(question)

    summary, _ = ask(answer)
    assert (summary.accepted, summary.rejected, summary.left) == (7, 1, 0)
    assert rows(tmp_path / "taught" / "rejected.jsonl")[0]["reason"] == "refused: status 400: filtered"
    assert not ask(truthful)[1].questions


def test_an_endpoint_that_refuses_everything_rejects_nothing(ask, tmp_path):
    with pytest.raises(EndpointError, match="refuses every question.*too many tokens"):
        ask(lambda q, n: Served(b"too many tokens", status=400))
    assert len(ask.server.questions) == 5 and not rows(tmp_path / "taught" / "rejected.jsonl")


def test_wrong_labels_are_kept_apart_with_the_reason(ask, tmp_path):
    def answer(question, number):
        return lying(question) if label_of(question) in ("clap", "walk") else truthful(question)

    summary, _ = ask(answer)
    assert (summary.accepted, summary.rejected, summary.left, summary.ended) == (6, 2, 0, "done")
    for row in rows(tmp_path / "taught" / "rejected.jsonl"):
        assert row["label"] in ("clap", "walk") and row["reason"].startswith("label: ") and "Label:" in row["text"]
    assert not ask(truthful)[1].questions  # they were answered


def test_without_verification_lies_are_kept_as_they_were_told(ask, tmp_path):
    summary, _ = ask(lying, TeacherSettings(verify=False))
    assert (summary.accepted, summary.rejected) == (8, 0)
    assert all(row["said"] != row["label"] for row in rows(tmp_path / "taught" / "accepted.jsonl"))


def test_a_rejected_answer_is_asked_for_again_with_another_seed(ask):
    def answer(question, number):
        return lying(question) if number < 6 else truthful(question)

    summary, server = ask(answer, TeacherSettings(attempts=3))
    assert (summary.accepted, summary.rejected) == (8, 0)
    seeds = [(label_of(question), question["seed"]) for question in server.questions]
    assert len(seeds) == 14 and len(set(seeds)) == 14


def test_a_job_that_was_stopped_asks_only_what_has_no_answer(ask):
    asked = []

    def answer(question, number):
        asked.append(label_of(question))
        return truthful(question)

    summary, _ = ask(answer, concurrency=2, stopping=lambda: len(asked) >= 3)
    assert summary.ended == "stopped" and summary.accepted == len(asked) and summary.left == 8 - len(asked) > 0
    before = list(asked)
    summary, server = ask(answer)
    assert summary.ended == "done" and sorted(asked) == sorted(LABELS) and len(server.questions) == 8 - len(before)


def test_a_line_that_a_kill_cut_off_is_asked_for_again(ask, tmp_path):
    ask(truthful)
    path = tmp_path / "taught" / "accepted.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    for parquet in (tmp_path / "taught" / "data").iterdir():
        parquet.unlink()
    _, server = ask(truthful)
    assert len(server.questions) == 1 and sorted(row["label"] for row in rows(path)) == sorted(LABELS)


def test_other_settings_need_another_folder(ask, tmp_path):
    ask(truthful)
    with pytest.raises(ValueError, match="begun with other settings: temperature 0.2, now 0.9"):
        ask(truthful, TeacherSettings(temperature=0.9))


def test_two_jobs_in_one_folder_do_not_ask_the_same(ask, frames, tmp_path):
    refused = []

    def answer(question, number):
        if number == 0:
            with pytest.raises(ValueError, match="another job"):
                teach(frames, Endpoint("http://127.0.0.1:9/v1", "teacher"), tmp_path / "taught")
            refused.append(True)
        return truthful(question)

    assert ask(answer)[0].accepted == 8 and refused


def test_a_cap_on_tokens_is_never_passed_and_a_higher_one_goes_on(ask):
    caps = Caps(tokens=450)
    settings = TeacherSettings(max_tokens=64)
    summary, server = ask(truthful, settings, caps=caps)
    # A fourth question would have gone to 480.
    assert (summary.ended, summary.accepted, summary.tokens, len(server.questions)) == ("caps", 3, 360, 3)
    assert not ask(truthful, settings, caps=caps)[1].questions  # what earlier starts spent counts
    summary, _ = ask(truthful, settings, caps=Caps(tokens=8 * 120))
    assert (summary.ended, summary.tokens) == ("done", 960)


def test_a_cap_on_the_cost_counts_both_prices(ask):
    # 100 tokens at 10 and 20 at 100 a million: 0.003 an answer.
    caps = Caps(cost=0.0125, prompt_price=10, completion_price=100)
    summary, _ = ask(truthful, TeacherSettings(max_tokens=20), caps=caps)
    assert (summary.ended, summary.accepted) == ("caps", 4) and summary.cost == pytest.approx(0.012)


def test_a_cap_needs_an_endpoint_that_counts(ask):
    with pytest.raises(ValueError, match="counts no tokens"):
        ask(lambda q, n: replace(truthful(q), usage=False), caps=Caps(tokens=10_000))
    assert ask(lambda q, n: replace(truthful(q), usage=False))[0].accepted == 8


def test_no_teacher_sees_a_test_performer(ask, tmp_path):
    leaking = synthetic(topologies=["coco_17"], performers=1, test_performers=1, labels=["bow"])
    shown = Frames(read_all(leaking), Sampling(num_frames=3), renderer(), 16)
    with pytest.raises(ValueError, match="bow/p100000/t0/coco_17.*not for training"):
        ask(truthful, shown=shown)
    assert not ask.server.questions and not (tmp_path / "taught").exists()


def test_a_guard_of_the_split_decides_instead(ask):
    with pytest.raises(ValueError, match="kick/p0"):
        ask(truthful, allowed=lambda recording: recording.label != "kick")
    assert not ask.server.questions


def test_clips_are_not_mirrored_as_a_rationale_may_name_a_side(frames, lessons):
    often = replace(frames.sampling, augmentation=replace(frames.sampling.augmentation, mirror=1.0))
    mirrored = Frames(lessons, often, frames.renderer, 16)
    for number in range(len(lessons)):
        assert clip_digest(mirrored.clip(number)) == clip_digest(frames.clip(number))


def test_a_recording_that_cannot_be_read_is_left_out_and_too_many_end_the_job(ask, lessons, monkeypatch):
    def broken():
        raise SkeletonFormatError("a.txt", "line 3", "2 words", "3 numbers")

    recordings = [recording for recording, _ in lessons]
    recordings[2] = replace(recordings[2], read=broken)
    shown = Frames(Mixture([Part(recordings)]), Sampling(num_frames=3), renderer(), 16)
    with pytest.raises(PoisonedDataError, match="1 of 8 recordings cannot be read.*a.txt"):
        ask(truthful, shown=shown)
    monkeypatch.setattr("skeletonllm.data.teacher.job.LARGEST_BAD_SHARE", 0.2)
    monkeypatch.setattr("skeletonllm.data.examples.LARGEST_BAD_SHARE", 0.2)
    summary, _ = ask(truthful, shown=shown)
    assert (summary.accepted, summary.left, summary.ended) == (7, 1, "done")


def test_rows_fill_several_files_that_are_not_written_again(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("skeletonllm.data.teacher.ledger.ROWS_PER_FILE", 3)
    assert ROWS_PER_FILE > 3
    ask(truthful, stopping=iter([False] * 12 + [True] * 999).__next__, concurrency=1)
    folder = tmp_path / "taught" / "data"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.name == "part-00000.parquet"}
    time.sleep(0.01)
    ask(truthful)
    assert sorted(path.name for path in folder.iterdir()) == [f"part-0000{number}.parquet" for number in range(3)]
    assert all((folder / name).stat().st_mtime_ns == changed for name, changed in before.items())


@pytest.mark.parametrize(
    ("url", "key", "match"),
    [
        ("ftp://x/v1", None, "no http"),
        ("127.0.0.1:8000", None, "no http"),
        ("https://me:secret@x.org/v1", None, "keys come from the environment"),
        ("http://teacher.example.org/v1", KEY, "in clear"),
        ("https://teacher.example.org/v1", "two words", "characters"),
    ],
)
def test_addresses_that_would_give_keys_away_are_refused(url, key, match):
    with pytest.raises(ValueError, match=match) as raised:
        Endpoint(url, "teacher", key)
    assert KEY not in str(raised.value) and "secret" not in str(raised.value)
