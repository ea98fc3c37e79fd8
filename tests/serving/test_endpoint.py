"""The endpoint, as OpenAI's own client sees it."""

import base64
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from running_server import held, until

from skeletonllm.serving.engine import SMALL_MODEL
from skeletonllm.skeleton.synthesis import ACTIONS

openai = pytest.importorskip("openai", reason="needs the openai package, of skeletonllm[dev]")


@pytest.fixture(scope="module")
def client(server):
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=120.0) as client:
        yield client


def about(data: bytes, question: str, name: str = "recording.npz") -> list[dict]:
    """A conversation of one message: a recording and a question."""
    address = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    file = {"type": "file", "file": {"filename": name, "file_data": address}}
    return [{"role": "user", "content": [{"type": "text", "text": question}, file]}]


def ask(client, messages, **more):
    return client.chat.completions.create(model=SMALL_MODEL, messages=messages, **more)


def test_a_question_about_an_attached_recording_is_answered(client, recordings):
    completion = ask(client, about(recordings["squat"], "What is this person doing?"))
    (choice,) = completion.choices
    assert choice.finish_reason == "stop" and choice.message.role == "assistant"
    assert choice.message.content.splitlines()[0] in ACTIONS
    seen = completion.model_extra["skeletonllm"]
    assert sum(each["probability"] for each in seen["candidates"]) == pytest.approx(1.0, abs=1e-5)  # of float32
    assert seen["candidates"][0]["text"] == choice.message.content.splitlines()[0]
    assert seen["recording"]["topology"] == "coco_17" and seen["recording"]["file"] == "recording.npz"


def test_a_generated_answer_counts_its_tokens_and_says_when_it_was_cut_off(client, recordings):
    question = about(recordings["walk"], "Describe the motion.")
    whole = ask(client, question)
    short = ask(client, question, max_tokens=2)
    assert whole.usage.completion_tokens > 2 and whole.usage.prompt_tokens > 50  # twelve frames, and words
    assert short.usage.completion_tokens == 2 and short.choices[0].finish_reason == "length"
    assert whole.choices[0].message.content.startswith(short.choices[0].message.content)


def test_a_stream_gives_the_same_words_in_several_pieces(client, recordings):
    question = about(recordings["walk"], "Describe the motion.")
    whole = ask(client, question)
    pieces = list(ask(client, question, stream=True, stream_options={"include_usage": True}))
    words = [piece.choices[0].delta.content for piece in pieces if piece.choices and piece.choices[0].delta.content]
    assert len(words) > 2 and "".join(words) == whole.choices[0].message.content
    assert pieces[-1].usage == whole.usage and not pieces[-1].choices
    assert pieces[-2].choices[0].finish_reason == "stop"
    assert len({piece.id for piece in pieces}) == 1


def test_ten_at_once_are_answered_as_each_alone(client, server, recordings):
    questions = ["What is this?", "Describe the motion.", "Is she kicking?"]
    asked = [about(recordings[label], question) for label in recordings for question in questions][:10]
    alone = [ask(client, messages).choices[0].message.content for messages in asked]
    before = dict(server.engine.counts)
    with ThreadPoolExecutor(10) as pool:
        together = list(pool.map(lambda messages: ask(client, messages).choices[0].message.content, asked))
    assert together == alone
    done = {name: server.engine.counts[name] - before[name] for name in ("answers", "passes")}
    assert done["answers"] == 10 and done["passes"] <= 10


def test_what_waits_is_answered_together(client, server, recordings):
    with ThreadPoolExecutor(6) as pool:
        with held(server.engine.questions) as entered:
            first = pool.submit(ask, client, about(recordings["clap"], "Describe the motion."))
            assert entered.wait(60)
            before = server.engine.counts["passes"]
            rest = [pool.submit(ask, client, about(recordings["walk"], "Describe the motion.")) for _ in range(5)]
            until(lambda: server.engine.questions.waiting == 5)
        answers = {each.result().choices[0].message.content for each in rest}
        assert first.result().choices[0].message.content
    assert len(answers) == 1 and server.engine.counts["passes"] - before == 2


def test_candidates_are_ranked_and_long_recordings_are_answered_in_seconds(client, recordings):
    ranked = ask(client, about(recordings["clap"], "Which?"), extra_body={"candidates": ["clap", "walk"]})
    assert {each["text"] for each in ranked.model_extra["skeletonllm"]["candidates"]} == {"clap", "walk"}
    when = ask(client, about(recordings["clap"], "When does she clap?"))
    (segment, *_) = when.model_extra["skeletonllm"]["segments"]
    assert segment["label"] == "clap" and f"{segment['start']:.1f} s to " in when.choices[0].message.content


def test_the_newest_recording_and_the_newest_question_of_a_conversation_count(client, recordings):
    earlier = about(recordings["squat"], "What is this?", "old.npz")
    said = {"role": "assistant", "content": "something"}
    again = [*earlier, said, {"role": "user", "content": "Describe the motion."}]
    assert ask(client, again).model_extra["skeletonllm"]["recording"]["file"] == "old.npz"
    other = [*earlier, said, *about(recordings["walk"], "Describe the motion.", "new.npz")]
    answered = ask(client, other)
    assert answered.model_extra["skeletonllm"]["recording"]["file"] == "new.npz"
    assert answered.choices[0].message.content == (
        ask(client, about(recordings["walk"], "Describe the motion.")).choices[0].message.content
    )


def test_a_form_takes_the_file_beside_the_words(server, client, recordings):
    words = [{"role": "user", "content": "What is this person doing?"}]
    with server.client() as plain:
        files = {"file": ("squat.npz", recordings["squat"])}
        form = {"messages": json.dumps(words), "model": SMALL_MODEL}
        response = plain.post("/v1/chat/completions", data=form, files=files)
    assert response.status_code == 200, response.text
    inside = ask(client, about(recordings["squat"], "What is this person doing?"))
    assert response.json()["choices"][0]["message"]["content"] == inside.choices[0].message.content


def test_the_models_are_listed_and_others_are_not_found(client, recordings):
    (model,) = client.models.list().data
    assert model.id == SMALL_MODEL == client.models.retrieve(SMALL_MODEL).id
    assert "Do not trust it" in model.model_extra["description"]
    with pytest.raises(openai.NotFoundError, match="gpt-4"):
        client.chat.completions.create(model="gpt-4", messages=about(recordings["clap"], "What?"))


@pytest.mark.parametrize(
    ("messages", "more", "message"),
    [
        ([{"role": "user", "content": "What is this?"}], {}, "attach a recording"),
        ([], {}, "messages"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}], {}, "attach the recording"),
        (about(b"not a recording", "What?"), {}, "recording.npz: .*expected"),
        (about(b"", "What?"), {}, "recording.npz"),
        (None, {"n": 2}, "n: found 2"),
        (None, {"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        (None, {"logprobs": True}, "logprobs"),
        (None, {"max_tokens": 0}, "max_tokens"),
        (None, {"extra_body": {"recording": "second"}}, "recording.npz: #second"),
        (None, {"extra_body": {"window": 1e9}}, "window"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(client, recordings, messages, more, message):
    messages = about(recordings["clap"], "Describe it.") if messages is None else messages
    with pytest.raises(openai.BadRequestError, match=message) as refused:
        ask(client, messages, **more)
    assert "/tmp" not in str(refused.value) and refused.value.body["type"] == "invalid_request_error"


def test_a_question_with_a_frame_token_is_refused(client, recordings):
    with pytest.raises(openai.BadRequestError, match="stands for a frame"):
        ask(client, about(recordings["clap"], "<IMG_CONTEXT>"), extra_body={"candidates": ["clap"]})


def test_a_recording_is_drawn_in_every_format(server, recordings):
    file = {"file": ("clap.npz", recordings["clap"])}
    with server.client() as client:

        def draw(**fields):
            response = client.post("/v1/render", data=fields, files=file)
            assert response.status_code == 200, response.text
            return io.BytesIO(response.content), response.headers

        sheet, headers = draw(size="64")
        assert headers["content-type"] == "image/png" and Image.open(sheet).width > 6 * 64
        film, headers = draw(format="gif", size="64", frames="5")
        assert headers["content-type"] == "image/gif" and Image.open(film).n_frames == 5
        film, headers = draw(format="mp4", size="64", frames="5")
        assert headers["content-type"] == "video/mp4" and film.getvalue()[4:8] == b"ftyp"
        archive, _ = draw(format="frames", size="64", frames="5")
        with zipfile.ZipFile(archive) as frames:
            assert frames.namelist() == [f"frame_{number:04d}.png" for number in range(5)]
            assert Image.open(io.BytesIO(frames.read("frame_0004.png"))).size == (64, 64)
        for fields, message in (({"size": "9999"}, "9999"), ({"format": "svg"}, "svg"), ({"sise": "64"}, "sise")):
            refused = client.post("/v1/render", data=fields, files=file)
            assert refused.status_code == 400 and message in refused.json()["error"]["message"]


def test_without_a_generator_no_dance_is_promised(server):
    with server.client() as client:
        refused = client.post("/v1/dance", json={"song": "embedded:0"})
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "no_generator"
    assert refused.headers["x-should-retry"] == "false"  # or OpenAI's clients would ask twice more


def test_health_needs_nothing_and_metrics_count_what_was_done(server, client, recordings):
    def number(name):
        with server.client() as plain:
            lines = plain.get("/metrics").text.splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " "))

    assert server.is_up()
    route = 'skeletonllm_requests_total{route="/v1/chat/completions",status="200"}'
    ask(client, about(recordings["walk"], "Describe the motion."))
    before = number(route), number('skeletonllm_done_total{kind="tokens"}')
    tokens = ask(client, about(recordings["walk"], "Describe the motion.")).usage.completion_tokens
    assert (number(route), number('skeletonllm_done_total{kind="tokens"}')) == (before[0] + 1, before[1] + tokens)
    assert number('skeletonllm_waiting{queue="questions"}') == 0


def test_nothing_of_a_request_stays_behind(server, client, recordings):
    ask(client, about(recordings["clap"], "What is this?"))
    list(ask(client, about(recordings["clap"], "Describe it."), stream=True))
    with server.client() as plain:
        plain.post("/v1/render", data={"size": "32"}, files={"file": ("clap.npz", recordings["clap"])})
        plain.post("/v1/render", files={"file": ("clap.npz", b"damaged")})
    until(lambda: not list(server.visitors.root.iterdir()))
