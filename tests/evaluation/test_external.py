"""External models are asked about rendered frames, each question once."""

import base64
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from skeletonllm.data.teacher import Caps, Endpoint, EndpointError, RequestPolicy
from skeletonllm.evaluation.external import Asking, Inquiry, Journal, ask_all, ask_endpoint
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.sequence import sample_clip
from skeletonllm.skeleton.synthesis import synthesize

sys.path.append(str(Path(__file__).parents[1] / "data"))
from teacher_server import Served, TeacherServer, pictures_of  # noqa: E402

ASKING = Asking(image_size=32)


@pytest.fixture
def renderer():
    torch.manual_seed(0)
    return DrAction(samples_per_bone=1)


def inquiries(count, timed=False):
    def clip(number):
        return sample_clip(synthesize("walk", topology="coco_17", performer=number), 3)

    return [Inquiry(f"q{n}", f"Question {n}?", lambda n=n: clip(n), timed) for n in range(count)]


def endpoint(server, **policy):
    return Endpoint(server.url, "external", "secret-key", RequestPolicy(first_pause=0.0, tries=2, **policy))


def said(question):
    return question["messages"][-1]["content"][-1]["text"]


def echo(question, number):
    return Served("about " + said(question))


def test_a_model_sees_the_rendered_frames_and_the_question(renderer):
    with TeacherServer(echo) as server:
        (inquiry,) = inquiries(1)
        assert ask_endpoint(endpoint(server), renderer, inquiry.clip(), inquiry.prompt, ASKING) == "about Question 0?"
    (question,) = server.questions
    assert question["model"] == "external" and question["temperature"] == 0.0
    pictures = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in pictures_of(question)]
    with torch.no_grad():
        drawn = renderer.render(inquiry.clip(), image_size=32)[0]
    for picture, frame in zip(pictures, drawn, strict=True):
        seen = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
        assert (seen / 255 - frame).abs().max() < 1.01 / 255  # rounded to a byte
    assert server.headers[0]["Authorization"] == "Bearer secret-key" and "secret-key" not in json.dumps(question)


def test_frames_are_named_with_their_seconds_where_times_are_asked_for(renderer, tmp_path):
    with TeacherServer(echo) as server:
        for timed in (True, False):
            ask_all(endpoint(server), renderer, inquiries(1, timed), Journal(tmp_path / "j"), ASKING, progress=False)
    names = [part["text"] for part in server.questions[0]["messages"][-1]["content"] if part["type"] == "text"]
    times = inquiries(1)[0].clip().times.tolist()
    assert names[:3] == [f"Frame{n} ({second:.1f} s):" for n, second in enumerate(times, 1)]
    # The same question without times is another question.
    assert server.questions[1]["messages"][-1]["content"][0]["text"] == "Frame1:"


def test_several_are_asked_at_once_but_never_more_than_allowed_and_the_first_alone(renderer, tmp_path):
    def slow(question, number):
        assert server.most_at_once == 1 or number > 0
        return Served("yes", wait=0.15)

    with TeacherServer(slow) as server:
        found = ask_all(
            endpoint(server), renderer, inquiries(7), Journal(tmp_path / "j"), ASKING, concurrency=3, progress=False
        )
    assert found == {f"q{n}": "yes" for n in range(7)}
    assert 2 <= server.most_at_once <= 3
    assert server.times[1] - server.times[0] >= 0.15


def test_a_job_that_was_stopped_asks_only_what_is_left(renderer, tmp_path):
    journal = tmp_path / "answers.jsonl"
    with TeacherServer(echo) as server:
        ask_all(endpoint(server), renderer, inquiries(2), Journal(journal), ASKING, progress=False)
        with journal.open("a") as file:
            file.write('{"id": "q2", "key"')  # killed while writing
        found = ask_all(endpoint(server), renderer, inquiries(4), Journal(journal), ASKING, progress=False)
    assert sorted(said(question) for question in server.questions) == [f"Question {n}?" for n in range(4)]
    assert found == {f"q{n}": f"about Question {n}?" for n in range(4)}
    assert [json.loads(line)["id"] for line in journal.open()][:2] == ["q0", "q1"]


@pytest.mark.parametrize("change", ["model", "renderer", "settings"])
def test_an_answer_of_another_model_or_to_other_pictures_is_not_taken(renderer, tmp_path, change):
    journal = tmp_path / "j"
    with TeacherServer(echo) as server:
        ask_all(endpoint(server), renderer, inquiries(1), Journal(journal), ASKING, progress=False)
        other, settings = endpoint(server), ASKING
        if change == "model":
            other.model = "another"
        elif change == "renderer":
            with torch.no_grad():
                next(renderer.parameters()).add_(0.1)
        else:
            settings = Asking(image_size=40)
        ask_all(other, renderer, inquiries(1), Journal(journal), settings, progress=False)
    assert len(server.questions) == 2


def test_a_refused_question_is_answered_by_nothing_and_one_without_answer_is_left(renderer, tmp_path):
    def answer(question, number):
        return {"Question 1?": Served("too odd", status=400), "Question 2?": Served(status=503)}.get(
            said(question), Served("fine")
        )

    with TeacherServer(answer) as server:
        found = ask_all(
            endpoint(server), renderer, inquiries(4), Journal(tmp_path / "j"), ASKING, concurrency=1, progress=False
        )
    assert found == {"q0": "fine", "q1": None, "q3": "fine"}


@pytest.mark.parametrize(
    ("served", "questions"), [(Served(status=401), 1), (Served(status=400), 5), (Served(status=503), 10)]
)
def test_an_endpoint_of_no_use_is_given_up_soon_and_nothing_is_kept(renderer, tmp_path, served, questions):
    with TeacherServer(lambda *_: served) as server, pytest.raises(EndpointError):
        ask_all(endpoint(server), renderer, inquiries(20), Journal(tmp_path / "j"), ASKING, progress=False)
    assert len(server.questions) == questions and not Journal(tmp_path / "j").answers


def test_a_cap_on_tokens_holds_over_several_starts(renderer, tmp_path):
    with TeacherServer(echo) as server:
        for _ in range(2):
            found = ask_all(
                endpoint(server), renderer, inquiries(9), Journal(tmp_path / "j"), ASKING, caps=Caps(tokens=400),
                progress=False,
            )  # fmt: skip
    assert len(found) == len(server.questions) == 3  # of 120 tokens each


def test_a_damaged_journal_is_named_with_its_line(tmp_path):
    (tmp_path / "j").write_text('{"id": "a"}\n')
    with pytest.raises(ValueError, match="j, line 1: damaged"):
        Journal(tmp_path / "j")
