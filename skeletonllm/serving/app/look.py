"""The tab Look: what is in recordings, how they move, and what the model is shown of them."""

from collections.abc import AsyncIterator, Sequence

import gradio as gr
from markupsafe import Markup

from skeletonllm.serving.app.guests import Guest
from skeletonllm.serving.app.house import House
from skeletonllm.serving.app.pieces import doing, facts_card, picture, remark, warning
from skeletonllm.serving.app.showing import bring_examples, receive, refusal, show
from skeletonllm.serving.app.theme import slot
from skeletonllm.serving.app.view import view_of_sequence

# Pixels of a frame on a sheet, and of a film.
_SHEET, _FILM = 224, 320
_NOTHING = ""


def look_at(guest: Guest, names: Sequence[str]) -> tuple[Markup, Markup]:
    """What was understood of recordings, and how they move side by side."""
    chosen = {name: guest.recordings[name] for name in names if name in guest.recordings}
    cards = Markup("").join(facts_card(name, recording.facts) for name, recording in chosen.items())
    views = [view_of_sequence(recording.sequence, name) for name, recording in chosen.items()]
    return Markup('<div class="cards">{}</div>').format(cards), show(guest, views) if views else Markup("")


async def draw(
    house: House, guest: Guest, names: Sequence[str], suffix: str = ".png"
) -> AsyncIterator[tuple[Markup, Markup]]:
    """What the model is shown of recordings: how far the drawing is, and at last the pictures.

    Args:
        house: who draws.
        guest: for whom.
        names: of recordings.
        suffix: ``.png`` for contact sheets, ``.gif`` for films.
    """
    pictures = []
    for name in dict.fromkeys(names):
        if name not in guest.recordings:
            continue
        target, size = guest.new_file(f"drawn{suffix}"), _SHEET if suffix == ".png" else _FILM
        try:
            work = house.engine.render(guest.recordings[name].sequence, target, size=size, name=name)
            with guest.waiting(work) as ticket:
                async for update in ticket.watch():
                    if update.doing or update.place is not None:
                        yield doing(update), Markup("").join(pictures)
            pictures.append(picture(guest.address(ticket.result()), f"frames of {name} as the model sees them"))
        except (ValueError, RuntimeError) as error:
            pictures.append(refusal(error, guest))
    yield Markup(_NOTHING), Markup("").join(pictures)


def build(house: House) -> None:
    """The tab."""
    with gr.Row():
        with gr.Column(scale=3, min_width=260):
            files = gr.File(
                label="Recordings, one or several",
                file_count="multiple", height=232, elem_id="look-files",
            )  # fmt: skip
        with gr.Column(scale=2, min_width=220):
            first = gr.Dropdown(label="Shown", choices=[], interactive=True, elem_id="look-first")
            second = gr.Dropdown(label="Beside it", choices=[], interactive=True, elem_id="look-second")
            examples = gr.Button("Show me examples", elem_id="look-examples")
    problems = slot("look-problems")
    view = slot("look-view")
    facts = slot("look-facts")
    with gr.Accordion("What the model is shown", open=True):
        with gr.Row():
            sheet = gr.Button("Contact sheet", size="sm", elem_id="look-sheet")
            film = gr.Button("Film", size="sm", elem_id="look-film")
        status = slot("look-status")
        drawn = slot("look-drawn")

    def choices(guest: Guest, names: list[str]) -> tuple[dict, dict]:
        known = list(guest.recordings)
        shown = names[0] if names else None
        beside = names[1] if len(names) > 1 else None
        return gr.update(choices=known, value=shown), gr.update(choices=[("nothing", ""), *known], value=beside or "")

    async def uploaded(paths: list[str], request: gr.Request):
        guest = house.guests.of(request.session_hash)
        names, wrong = await receive(guest, house.engine.readers, paths)
        told = warning("Not read", [f"{name}: {reason}" for name, reason in wrong]) if wrong else _NOTHING
        yield gr.update(value=None), told, *choices(guest, names), *look_at(guest, names[:2]), _NOTHING, _NOTHING
        async for status, pictures in draw(house, guest, names[:2]):
            yield *[gr.skip()] * 6, status, pictures

    async def exemplary(request: gr.Request):
        guest = house.guests.of(request.session_hash)
        names = [name for name in guest.recordings if name.startswith("example, ")] or bring_examples(guest)
        yield gr.skip(), _NOTHING, *choices(guest, names), *look_at(guest, names), _NOTHING, _NOTHING
        async for status, pictures in draw(house, guest, names):
            yield *[gr.skip()] * 6, status, pictures

    def chosen(one: str | None, other: str | None, request: gr.Request):
        guest = house.guests.of(request.session_hash)
        names = [name for name in (one, other) if name]
        if not names:
            return _NOTHING, remark("Choose a recording, or upload one."), _NOTHING
        facts, view = look_at(guest, list(dict.fromkeys(names)))
        return facts, view, _NOTHING

    def drawing(suffix: str):
        async def pressed(one: str | None, other: str | None, request: gr.Request):
            guest = house.guests.of(request.session_hash)
            async for status, pictures in draw(house, guest, [name for name in (one, other) if name], suffix):
                yield status, pictures

        return pressed

    everything = [files, problems, first, second, facts, view, status, drawn]
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    files.upload(uploaded, files, everything, **quiet)
    examples.click(exemplary, None, everything, **quiet)
    for dropdown in (first, second):
        dropdown.input(chosen, [first, second], [facts, view, drawn], **quiet)
    sheet.click(drawing(".png"), [first, second], [status, drawn], **quiet)
    film.click(drawing(".gif"), [first, second], [status, drawn], **quiet)
