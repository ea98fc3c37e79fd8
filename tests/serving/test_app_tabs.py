"""What the tabs are made of: guests and their files, answers, saliency, songs and runs."""

import asyncio
import io
import json
import os
import re
import threading
import time
import wave
from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="needs the extra `serve`")

import gradio as gr  # noqa: E402
from gradio import processing_utils  # noqa: E402

from skeletonllm.evaluation.timeline import Found  # noqa: E402
from skeletonllm.models.shipped import load_shipped  # noqa: E402
from skeletonllm.serving.app.ask import marks_of, offered_answers  # noqa: E402
from skeletonllm.serving.app.dance import choreography, sound_of  # noqa: E402
from skeletonllm.serving.app.guests import Guest, Guests  # noqa: E402
from skeletonllm.serving.app.pieces import attempt_card, bars, facts_card, metrics_table  # noqa: E402
from skeletonllm.serving.app.runs import compared, known_runs  # noqa: E402
from skeletonllm.serving.app.saliency import joint_saliency, most_salient, saliency_view  # noqa: E402
from skeletonllm.serving.app.showing import bring_examples, receive  # noqa: E402
from skeletonllm.serving.app.uploads import UploadRoom, fetch_nothing  # noqa: E402
from skeletonllm.serving.limits import Limits, Visitors  # noqa: E402
from skeletonllm.serving.plans import Answer  # noqa: E402
from skeletonllm.serving.queue import CancelledWork, WorkQueue  # noqa: E402
from skeletonllm.serving.readers import Readers  # noqa: E402
from skeletonllm.serving.simulating import Attempt  # noqa: E402
from skeletonllm.skeleton.formats import write_npz  # noqa: E402
from skeletonllm.skeleton.segment import Segment  # noqa: E402
from skeletonllm.skeleton.synthesis import synthesize  # noqa: E402
from skeletonllm.tasks.recognition import build_prompt  # noqa: E402


@pytest.fixture
def visitors(tmp_path):
    visitors = Visitors(Limits(), tmp_path)
    yield visitors
    visitors.close_all()


@pytest.fixture
def guest(visitors):
    return Guest(visitors.open())


def brought(guest, limits, paths):
    """What ``receive`` tells of files."""
    readers = Readers(limits)
    try:
        return asyncio.run(receive(guest, readers, [str(path) for path in paths]))
    finally:
        readers.close()


def test_each_page_has_a_guest_of_its_own_whose_folder_goes_when_the_page_does(visitors):
    guests = Guests(visitors)
    one, other = guests.of("one"), guests.of("other")
    assert guests.of("one") is one and one.folder != other.folder
    bring_examples(one)
    assert not other.recordings
    one.write_page("view.html", "something")
    guests.leave("one")
    assert not one.folder.exists() and other.folder.exists()
    assert not guests.of("one").recordings, "who comes back finds what another session left"


def test_a_guest_who_was_forgotten_comes_in_anew(visitors):
    guests = Guests(visitors)
    before = guests.of("one")
    visitors.close(before.folder)
    assert guests.of("one").folder.is_dir()


def test_who_leaves_gives_the_place_in_the_queue_back(guest):
    begun, stopped = threading.Event(), threading.Event()

    def work(tickets):
        begun.set()
        while tickets[0].wanted:
            time.sleep(0.001)
        stopped.set()

    queue = WorkQueue("test", work, waiting=2, at_once=1, seconds=60)
    with guest.waiting(queue.submit("running")) as running, guest.waiting(queue.submit("waiting")) as waiting:
        assert begun.wait(60)
        guest.leave()
        for ticket in (running, waiting):
            with pytest.raises(CancelledWork):
                ticket.result(60)
    queue.close()
    assert stopped.is_set() and queue.waiting == 0


def test_recordings_of_one_name_are_kept_apart_and_the_oldest_go_first(guest):
    brought = [guest.recordings[name] for _ in range(13) for name in bring_examples(guest)]
    assert len(set(map(id, brought))) == 26
    assert list(guest.recordings.values()) == brought[2:]


def test_a_guest_keeps_no_more_than_one_long_recording_may_hold_and_the_house_no_more_than_its_guests(
    visitors, guest, monkeypatch
):
    names = bring_examples(guest)
    kick, hands = (guest.recordings[name] for name in names)
    monkeypatch.setattr("skeletonllm.serving.app.guests.MOST_VALUES", hands.sequence.joints.size + 1)
    guest.bring(hands)
    assert list(guest.recordings.values()) == [hands]
    monkeypatch.setattr("skeletonllm.serving.app.guests.MOST_GUESTS", 2)
    guests = Guests(visitors)
    first, second = guests.of("first"), guests.of("second")
    guests.of("first")  # is heard of again
    guests.of("third")
    assert len(guests) == 2 and first.folder.is_dir() and not second.folder.exists()


def test_nothing_is_fetched_that_a_client_names_by_an_address(visitors, monkeypatch):
    async def fetched(*args, **kwargs):
        raise AssertionError("the server asked somebody else")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", fetched)
    with gr.Blocks(analytics_enabled=False) as page:
        file, chat = gr.File(), gr.Chatbot()
    fetch_nothing(page)
    for block in (file, chat):
        with pytest.raises(ValueError, match="not named by an address"):
            asyncio.run(block.async_move_resource_to_block_cache("https://example.org/walk.bvh"))


def test_uploads_that_nobody_reads_fill_no_disk(tmp_path):
    async def passed(scope, receive, send):
        reached.append(scope["path"])

    async def send(message):
        statuses.append(message.get("status"))

    reached, statuses = [], []
    room = UploadRoom(passed, tmp_path, most=1000)
    upload = {"type": "http", "path": "/gradio_api/upload", "method": "POST", "headers": []}
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "walk.bvh").write_bytes(b"0" * 1001)
    asyncio.run(room(upload, None, send))
    assert reached == [] and statuses[0] == 503
    asyncio.run(room({**upload, "path": "/"}, None, send))
    os.utime(tmp_path / "one" / "walk.bvh", (0, 0))  # from long ago
    asyncio.run(room(upload, None, send))
    assert reached == ["/", "/gradio_api/upload"] and not (tmp_path / "one" / "walk.bvh").exists()


def test_uploads_are_read_and_gone_and_each_that_is_none_is_named(guest, tmp_path):
    good, bad = tmp_path / "kick.npz", tmp_path / "bad.bvh"
    write_npz(synthesize("kick", performer=50), good)
    bad.write_text("HIERARCHY\nnothing")
    names, problems = brought(guest, Limits(), [good, bad])
    assert names == ["kick.npz"]
    assert guest.recordings["kick.npz"].facts["format"] == "npz"
    assert [name for name, _ in problems] == ["bad.bvh"] and "line" in problems[0][1]
    assert str(guest.folder) not in problems[0][1]
    assert not good.exists() and not bad.exists() and not list(guest.folder.rglob("*"))


@pytest.mark.parametrize(
    ("limits", "names", "told"),
    [
        (Limits(files=1), ("a.npz", "b.npz"), "files: found 2"),
        (Limits(upload_bytes=100), ("a.npz",), "bytes of files"),
        (Limits(motion_seconds=0.5), ("a.npz",), "seconds of a recording"),
        (Limits(), ("layout.yaml", "a.npz"), "descriptions of formats"),
    ],
)
def test_what_is_too_much_or_not_taken_is_refused_and_gone(guest, tmp_path, limits, names, told):
    for name in names:
        write_npz(synthesize("kick", performer=50), tmp_path / "a.npz")
        (tmp_path / "a.npz").rename(tmp_path / name)
    kept, problems = brought(guest, limits, [tmp_path / name for name in names])
    assert kept == [] and told in problems[0][1]
    assert not [path for name in names for path in (tmp_path / name,) if path.exists()]


def test_answers_to_compare_may_stand_on_lines_or_between_commas_each_once():
    assert offered_answers(" kick,sit  down\n\nwave ; kick\n") == ("kick", "sit down", "wave")
    assert offered_answers(" \n,") == ()


def test_times_are_offered_in_their_order_and_a_timeline_without_shares():
    found = (Found(Segment("kick", 4.0, 6.0), 0.814), Found(Segment("clap", 1.0, 2.0), 0.0))
    marks = marks_of(Answer("", segments=found))
    assert [(mark.start, mark.stop, mark.label) for mark in marks] == [(1.0, 2.0, "clap"), (4.0, 6.0, "kick (81%)")]


def test_saliency_is_how_steeply_the_answer_changes_as_a_joint_moves():
    trained = load_shipped()
    sequence = synthesize("kick", performer=50, topology="coco_17")
    sequence.valid[:, 0, 3] = False
    clip = trained.processor.sample(sequence.replace(valid=sequence.valid))
    question = build_prompt(trained.labels)
    steep = joint_saliency(trained, clip, question, "kick")
    assert steep.shape == tuple(clip.joints.shape[:3])
    assert (steep[:, :, 3] == 0).all(), "a joint that nobody saw"
    assert all(parameter.grad is None for parameter in trained.model.parameters())
    frame, person, joint = np.unravel_index(steep.argmax(), steep.shape)
    # Along the three axes by hand; half a millimetre is a hundredth of a limb's width and far above rounding.
    slopes, step = [], 5e-4
    for axis in range(3):
        losses = []
        for way in (step, -step):
            moved = clip.joints.clone()
            moved[frame, person, joint, axis] += way
            inputs = trained.processor([clip], [question], ["kick"])
            inputs["clips"].joints = moved[None]
            with torch.no_grad():
                losses.append(trained.model(**inputs).sample_losses.item())
        slopes.append((losses[0] - losses[1]) / (2 * step))
    # Pictures are float32, and Gaussians that leave a pixel's reach do so at once.
    assert np.linalg.norm(slopes) == pytest.approx(steep.max(), rel=0.1)


def test_what_an_answer_hangs_on_is_hot_and_everything_else_grey():
    trained = load_shipped()
    sequence = synthesize("kick", performer=50, topology="coco_17")
    clip = trained.processor.sample(sequence)
    steep = np.zeros(tuple(clip.joints.shape[:3]), np.float32)
    knee = sequence.topology.joints.index("right_knee")
    steep[:, :, knee] = 3.0
    view = saliency_view(sequence, clip, steep, "kick")
    for place, bone in enumerate(sequence.topology.bones):
        assert (view.heat[:, place] == (0.5 if knee in bone else 0.0)).all()
    assert len(np.unique(view.colors)) == 1
    assert most_salient(sequence, steep) == ["right knee"]


def test_names_are_escaped_and_the_better_number_is_marked_whichever_way_is_better():
    facts = dict.fromkeys(("format", "topology", "persons", "frames", "units", "label"), "<i>")
    facts |= {"fps": 30.0, "seconds": 1.0, "missing_joints": 0.5, "notes": ["<u>"], "extent": {"x": 1, "y": 2, "z": 3}}
    html = facts_card("<b>name</b>", facts) + bars({"<s>": 0.25, "b": 0.75})
    assert not re.search(r"<(i|u|b|s)>[^<]*(name|&)", html) and "&lt;b&gt;name" in html and "&lt;s&gt;" in html
    table = metrics_table(
        {"penetration_rate": (3.0, 2.0), "beat_alignment_music": (0.4, 0.3), "foot_skating": (None, 1.0)}, ("a", "b")
    )
    assert re.findall(r"<td>(.*?)</td><td(.*?)>(.*?)</td>", table) == [
        ("3.00", ' class="better"', "2.00"), ("0.400", "", "0.300"), ("–", "", "1.0"),
    ]  # fmt: skip


def test_what_became_of_a_simulated_body_is_told_in_words():
    fell = Attempt(np.zeros(0), 10.0, 2.5, 0.034, 0.4, 0.3, 0.41, 0.4, "")
    told = re.sub(r"<[^>]+>", " ", attempt_card(fell))
    for words in ("no, it fell after 2.5 s of 10.0 s", "25%", "3.4 cm", "41% of its weight, at most 40%"):
        assert words in told
    assert "yes, all of 10.0 s" in attempt_card(replace(fell, fall_time=None))
    refused = attempt_card(replace(fell, motion=None, problem="<b>no frames</b>"))
    assert "&lt;b&gt;no frames" in refused and 'role="alert"' in refused


def test_music_is_sent_as_long_as_it_is_with_at_most_a_telephones_samples():
    seconds, rate = 2.0, 44100
    tone = np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate).astype(np.float32)
    with wave.open(io.BytesIO(sound_of(tone, rate).data)) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(seconds, abs=1e-3)
        assert file.getframerate() <= 22050
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        spectrum = np.abs(np.fft.rfft(heard))
        assert spectrum.argmax() / seconds == pytest.approx(440, abs=1)


def test_files_of_a_dance_lie_in_the_folder_of_the_guest_who_asked(guest):
    wanted = choreography(guest, 0, 4, 5, 2.0, 7, ["GIF"])
    assert [path.suffix for path in wanted.targets] == [".bvh", ".glb", ".npz", ".gif"]
    assert {path.parent for path in wanted.targets} == {guest.folder}
    assert len({path for path in (*wanted.targets, *choreography(guest, 0, 4, 5, 2.0, 7, ["GIF"]).targets)}) == 8


def test_runs_below_the_folder_are_found_and_compared_without_running_what_they_say(guest, tmp_path):
    for name in ("runs/one", "runs/deep/two", "elsewhere/three"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "recipe.json").write_text(json.dumps({"name": "<script>alert(1)</script>"}))
        (tmp_path / name / "log.jsonl").write_text('{"step": 1, "loss": 2.0, "stage": "a"}\n' * 3)
    known = known_runs(tmp_path / "runs")
    assert list(known) == ["deep/two", "one"]
    html = compared(guest, list(known.values()), tmp_path / "runs")
    assert "sandbox" in html
    (report,) = guest.folder.glob("*report.html")
    assert str(tmp_path) not in report.read_text(), "a visitor is told where the runs lie"
    assert "<script>alert" not in report.read_text() and "&lt;script&gt;alert" in report.read_text()
    assert known_runs(tmp_path / "nowhere") == known_runs(None) == {}
