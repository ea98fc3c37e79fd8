"""The tab Ask: questions about a recording, how likely answers are, and where the model looked."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import gradio as gr
import numpy as np
from markupsafe import Markup

from skeletonllm.serving.answering import plan, plan_small
from skeletonllm.serving.app.guests import Guest
from skeletonllm.serving.app.house import House
from skeletonllm.serving.app.pieces import bars, doing, remark
from skeletonllm.serving.app.saliency import joint_saliency, most_salient, saliency_view
from skeletonllm.serving.app.showing import bring_examples, receive, refusal, show
from skeletonllm.serving.app.theme import slot
from skeletonllm.serving.app.view import Mark, view_of_sequence
from skeletonllm.serving.plans import Answer, Passes, Question, Ranking
from skeletonllm.serving.queue import Ticket
from skeletonllm.skeleton.sequence import Clip

_HEIGHT = 420
_NOTHING = ""
_NO_RECORDING = "Choose a recording first, or upload one under Look."


@dataclass(frozen=True)
class Asked:
    """What was last asked about which recording, and the answer."""

    name: str
    question: Question
    answer: Answer


def offered_answers(text: str) -> tuple[str, ...]:
    """The candidates in what a visitor typed: one per line, or between commas."""
    parts = (" ".join(part.split()) for part in re.split(r"[\n,;]", text))
    return tuple(dict.fromkeys(part for part in parts if part))


def marks_of(answer: Answer) -> list[Mark]:
    """The times in an answer, in their order."""
    found = sorted(answer.segments, key=lambda found: found.segment.start)
    return [
        Mark(f.segment.start, f.segment.stop, f.segment.label + (f" ({f.score:.0%})" if f.score else "")) for f in found
    ]


def told(question: Question) -> str:
    """What a visitor asked, in words."""
    if question.text and question.candidates:
        return f"{question.text}\n{' / '.join(question.candidates)}"
    return question.text or "Which action is it?" + (f"\n{' / '.join(question.candidates)}" * bool(question.candidates))


async def answer(
    house: House, guest: Guest, name: str, question: Question
) -> AsyncIterator[tuple[str, Markup, Answer]]:
    """The words of an answer as far as they have come, how far the work is, and at last the answer.

    Raises:
        ValueError, RuntimeError: it cannot be asked, or there is no place in the queue; see ``Engine.ask``.
    """
    text = ""
    with guest.waiting(house.engine.ask(question)) as ticket:
        async for update in ticket.watch():
            text += update.text
            yield text, doing(update), None
        final = ticket.result()
    yield final.text, Markup(_NOTHING), final


def look_where(house: House, asked: Asked) -> Callable[[Ticket], tuple[Clip, np.ndarray, str]]:
    """The work that finds where the model looked when it answered, for ``Engine.aside``.

    Its result is the clip that was seen, the saliency (N, P, J) of its joints, and the words that it is of.

    Raises:
        ValueError: the answer is from many looks, of which none is the one.
    """
    trained, question = house.engine.trained, asked.question
    what = (plan_small if house.engine.is_small else plan)(trained, question)  # the question as it was put
    if isinstance(what, Passes):
        raise ValueError("this answer is from many looks; ask about the whole recording, such as what somebody does")
    said = next(iter(asked.answer.shares)) if isinstance(what, Ranking) else asked.answer.text

    def work(ticket: Ticket) -> tuple[Clip, np.ndarray, str]:
        ticket.tell(doing="following the gradient")
        clip = trained.processor.sample(question.sequence)
        return clip, joint_saliency(trained, clip, what.prompt, said), said

    return work


def build(house: House, tab: gr.Tab) -> None:
    """The tab."""
    with gr.Row():
        recording = gr.Dropdown(label="About", choices=[], interactive=True, scale=3, elem_id="ask-recording")
        files = gr.UploadButton("Upload", file_count="multiple", scale=1, min_width=120, elem_id="ask-files")
    view = slot("ask-view")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            answers = gr.Chatbot(
                label="Answers", height=330, render_markdown=False, buttons=[], feedback_options=None,
                elem_id="ask-chat", elem_classes="answers", placeholder="Ask what happens, which arm moves, or when.",
            )  # fmt: skip
            with gr.Row():
                text = gr.Textbox(
                    show_label=False, placeholder="What is this person doing?", lines=1, max_lines=4, scale=5,
                    elem_id="ask-text",
                )  # fmt: skip
                send = gr.Button("Ask", variant="primary", scale=1, min_width=90, elem_id="ask-send")
        with gr.Column(scale=2, min_width=260):
            candidates = gr.Textbox(
                label="Answers to compare, one per line (optional)", lines=4, placeholder="wave\nkick\nsit down",
                elem_id="ask-candidates",
            )  # fmt: skip
            shares = slot("ask-shares")
            where = gr.Button("Where did the model look?", elem_id="ask-where")
    status = slot("ask-status")

    def seen(guest: Guest, name: str | None) -> Markup:
        if name not in guest.recordings:
            return remark(_NO_RECORDING)
        return show(guest, [view_of_sequence(guest.recordings[name].sequence, name)], height=_HEIGHT)

    def entered(current: str | None, request: gr.Request):
        guest = house.guests.of(request.session_hash)
        names = list(guest.recordings) or bring_examples(guest)
        name = current if current in guest.recordings else names[0]
        return gr.update(choices=names, value=name), gr.skip() if name == current else seen(guest, name)

    async def uploaded(paths: list[str], request: gr.Request):
        guest = house.guests.of(request.session_hash)
        names, wrong = await receive(guest, house.engine.readers, paths)
        problems = Markup("").join(remark(f"{name}: {reason}") for name, reason in wrong)
        if not names:
            return gr.skip(), gr.skip(), problems
        return gr.update(choices=list(guest.recordings), value=names[0]), seen(guest, names[0]), problems

    def chosen(name: str | None, request: gr.Request):
        return seen(house.guests.of(request.session_hash), name)

    async def asked(name: str | None, words: str, offered: str, request: gr.Request):
        guest = house.guests.of(request.session_hash)
        if name not in guest.recordings:
            yield guest.chat, words, remark(_NO_RECORDING), _NOTHING, gr.skip()
            return
        question = Question(guest.recordings[name].sequence, words.strip() or None, offered_answers(offered))
        before = guest.chat
        chat = guest.chat = [
            *before,
            {"role": "user", "content": told(question)},
            {"role": "assistant", "content": "…"},
        ]
        guest.asked = None
        yield chat, _NOTHING, _NOTHING, _NOTHING, gr.skip()
        try:
            async for said, progress, final in answer(house, guest, name, question):
                chat[-1] = {"role": "assistant", "content": said or "…"}
                if final is None:
                    yield chat, gr.skip(), progress, gr.skip(), gr.skip()
        except (ValueError, RuntimeError) as error:
            guest.chat = before
            yield before, words, refusal(error, guest), _NOTHING, gr.skip()
            return
        guest.asked = Asked(name, question, final)
        marks, shown = marks_of(final), gr.skip()
        if marks:
            shown = show(guest, [view_of_sequence(question.sequence, name, marks=marks)], height=_HEIGHT + 60)
        yield chat, gr.skip(), _NOTHING, bars(final.shares) if final.shares else _NOTHING, shown

    def cleared(request: gr.Request):
        house.guests.of(request.session_hash).chat = []

    async def looked(request: gr.Request):
        guest = house.guests.of(request.session_hash)
        asked = guest.asked
        if asked is None:
            yield remark("Ask something first."), gr.skip()
            return
        try:
            with guest.waiting(house.engine.aside(look_where(house, asked))) as ticket:
                async for update in ticket.watch():
                    yield doing(update), gr.skip()
            clip, saliency, said = ticket.result()
        except (ValueError, RuntimeError) as error:
            yield refusal(error, guest), gr.skip()
            return
        sequence = asked.question.sequence
        heated = saliency_view(sequence, clip, saliency, f"{asked.name}: where “{said[:40]}” was seen")
        joints = ", ".join(most_salient(sequence, saliency)) or "no joint"
        yield (
            remark(f"The answer “{said[:80]}” changes most as these move: {joints}. Red: by much, grey: hardly."),
            show(guest, [heated], height=_HEIGHT),
        )

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(entered, recording, [recording, view], **quiet)
    recording.input(chosen, recording, view, **quiet)
    files.upload(uploaded, files, [recording, view, status], **quiet)
    asking = [recording, text, candidates]
    answered = [answers, text, status, shares, view]
    text.submit(asked, asking, answered, **quiet)
    send.click(asked, asking, answered, **quiet)
    answers.clear(cleared, None, None, **quiet)
    where.click(looked, None, [status, view], **quiet)
