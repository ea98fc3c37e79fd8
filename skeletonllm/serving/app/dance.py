"""The tab Dance: a song to a dance, seen with its music, tried by a simulated body, measured, and taken home."""

import io
import wave
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import numpy as np
from markupsafe import Markup

from skeletonllm.dance.synthesis import embedded_song
from skeletonllm.serving.app.guests import Guest
from skeletonllm.serving.app.house import House
from skeletonllm.serving.app.pieces import attempt_card, doing, downloads, metrics_table, remark
from skeletonllm.serving.app.showing import refusal, show
from skeletonllm.serving.app.theme import slot
from skeletonllm.serving.app.view import Sound, view_of_dance
from skeletonllm.serving.dancing import Choreography, Danced
from skeletonllm.serving.queue import CancelledWork
from skeletonllm.serving.simulating import NO_SIMULATOR, can_simulate

_NOTHING = ""
# Of the songs that the package plays, one of each style.
_SONGS = (0, 1, 5, 6)
# What is written of every dance, in a moment; films take a while.
_QUICK = (".bvh", ".glb", ".npz")
_FILMS = {"MP4": ".mp4", "GIF": ".gif"}
# What browsers are sent is no larger than a telephone's sound: a minute takes 2 MB.
_RATE = 16000
_OWN = "my own"
_NO_GENERATOR = "Nobody dances here: music is not read. pip install 'skeletonllm[dance]'"


def songs() -> list[tuple[str, str]]:
    """Songs that the package plays, for a list of choices: what they are, and their number."""
    made = ((number, embedded_song(number, 1.0)) for number in _SONGS)
    return [
        (f"{song.style.replace('_', ' ')}, {song.key}, {song.tempo:g} beats per minute", str(number))
        for number, song in made
    ]


def sound_of(samples: np.ndarray, rate: int) -> Sound:
    """Music as a WAV file for a page, with fewer samples per second where it has many."""
    step = max(1, round(rate / _RATE))
    # The mean of so many keeps what is too high to be held by fewer from being heard as something else.
    whole = len(samples) // step * step
    fewer = np.asarray(samples[:whole], np.float32).reshape(-1, step).mean(1)
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate // step)
        file.writeframes((np.clip(fewer, -1, 1) * 32767).round().astype("<i2").tobytes())
    return Sound(data.getvalue())


def shown(guest: Guest, danced: Danced, house: House) -> tuple[Markup, Markup, Markup]:
    """A dance beside what became of it, with its music; its metrics; and its files."""
    body = house.engine.generator.body
    forms = {"as made": danced.raw, "feet on the floor": danced.post_processed}
    if danced.attempt is not None and danced.attempt.motion is not None:
        forms["simulated body"] = danced.attempt.motion
    views = [view_of_dance(motion, body, title) for title, motion in forms.items()]
    # The first and the last; what is in between can be chosen.
    view = show(guest, views, sound=sound_of(danced.samples, danced.rate), height=500, shown=(0, len(views) - 1))
    told = [metrics_table(danced.metrics, tuple(forms)), *([attempt_card(danced.attempt)] if danced.attempt else [])]
    measured = Markup('<div class="measured">{}</div>').format(Markup("").join(told))
    notes = Markup("").join(remark(note) for note in danced.notes)
    files = {path.suffix[1:].upper(): guest.address(path) for path in danced.files}
    return view, measured + notes, downloads(files)


def choreography(
    guest: Guest, song: Path | int, seconds: float, steps: float, guidance: float, seed: float, films: Sequence[str]
) -> Choreography:
    """What a visitor wants to be danced, with the files that are written in the guest's folder."""
    suffixes = (*_QUICK, *(_FILMS[film] for film in films))
    return Choreography(
        song,
        tuple(guest.new_file(f"dance{suffix}") for suffix in suffixes),
        seconds=float(seconds), steps=int(steps), guidance=float(guidance), seed=int(seed),
        simulate=True,
    )  # fmt: skip


def build(house: House) -> None:
    """The tab."""
    if house.engine.generator is None:
        slot("dance-none", remark(_NO_GENERATOR))
        return
    limits = house.engine.limits
    slot("dance-about", remark(house.engine.dancer))
    with gr.Row():
        with gr.Column(scale=3, min_width=280):
            song = gr.Radio([*songs(), (_OWN, _OWN)], value="0", label="Song", elem_id="dance-song")
            own = gr.Audio(
                label="A song of yours: WAV, FLAC, OGG or MP3", sources=["upload"], type="filepath", editable=False,
                buttons=[], visible=False, elem_id="dance-own",
            )  # fmt: skip
            films = gr.CheckboxGroup(list(_FILMS), label="Films, too (slower)", elem_id="dance-films")
        with gr.Column(scale=2, min_width=260):
            seconds = gr.Slider(3, min(60, limits.song_seconds), 10, step=1, label="Seconds", elem_id="dance-seconds")
            seed = gr.Number(0, label="Number of the dance", precision=0, minimum=0, elem_id="dance-seed")
            with gr.Accordion("More", open=False):
                steps = gr.Slider(2, min(100, limits.steps), min(50, limits.steps), step=1, label="Steps of sampling")
                guidance = gr.Slider(0, 5, 2, step=0.1, label="How far the music's influence is exaggerated")
            with gr.Row():
                go = gr.Button("Dance", variant="primary", scale=3, min_width=120, elem_id="dance-go")
                stop = gr.Button("Stop", scale=1, min_width=80, elem_id="dance-stop")
    if not can_simulate():
        slot("dance-simulator", remark(NO_SIMULATOR))
    status = slot("dance-status")
    view = slot("dance-view")
    files = slot("dance-files")
    metrics = slot("dance-metrics")

    async def danced(song, own, seconds, steps, guidance, seed, films, request: gr.Request):
        guest = house.guests.of(request.session_hash)
        if song == _OWN and own is None:
            yield remark("Upload a song first."), gr.skip(), gr.skip(), gr.skip()
            return
        yield _NOTHING, _NOTHING, _NOTHING, _NOTHING
        try:
            wanted = choreography(
                guest, Path(own) if song == _OWN else int(song), seconds, steps, guidance, seed, films
            )
            with guest.waiting(house.engine.dance(wanted)) as ticket:
                async for update in ticket.watch():
                    if update.doing or update.place is not None:
                        yield doing(update), gr.skip(), gr.skip(), gr.skip()
            view, metrics, files = shown(guest, ticket.result(), house)
        except CancelledWork:
            yield remark("Stopped."), gr.skip(), gr.skip(), gr.skip()
            return
        except (ValueError, RuntimeError) as error:
            yield refusal(error, guest), gr.skip(), gr.skip(), gr.skip()
            return
        yield _NOTHING, view, files, metrics

    def stopped(request: gr.Request) -> None:
        house.guests.of(request.session_hash).stop()

    def chosen(song: str):
        return gr.update(visible=song == _OWN)

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    song.input(chosen, song, own, **quiet)
    stop.click(stopped, None, None, **quiet)
    go.click(danced, [song, own, seconds, steps, guidance, seed, films], [status, view, files, metrics], **quiet)
