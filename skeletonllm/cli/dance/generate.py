"""skeletonllm dance generate: a dance to music, as files to look at and to go on with."""

import errno
import sys
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.dance.corrections import describe_projection, read_corrections
from skeletonllm.cli.evaluate import print_table

if TYPE_CHECKING:
    import numpy as np

    from skeletonllm.dance.body import Body
    from skeletonllm.dance.generator import Generator
    from skeletonllm.dance.motion import Motion
    from skeletonllm.dance.music import MusicFeatures

EMBEDDED = "embedded:"
# Seconds of an embedded song.
_SECONDS = 20.0
_SUMMARY = {
    "beat_alignment_music": "beat alignment",
    "foot_ground_distance": "off the floor, mm",
    "foot_skating": "skating, %",
    "penetration_rate": "overlaps",
}
"""Of the metrics, and how they are called in the summary."""


def generate(
    music: Annotated[
        str, typer.Option(help="The song: WAV, FLAC, OGG or MP3; or embedded:NUMBER, one that the package plays.")
    ],
    output: Annotated[
        list[Path], typer.Option("--output", "-o", help=".mp4, .gif, .png, .bvh, .npz or .glb; may be repeated.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            help="A trained generator, the folder of the run that made it, or a checkpoint of EDGE; without, the small "
            "generator that comes with the package."
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="Jukebox's features of the song, for models that hear those: .npy or .npz.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.5, help=f"Dance to the song's first seconds. Default: all; embedded: {_SECONDS:g}."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the dances: the same seed, the same dances.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="How many dances; more than one are numbered NAME-1, ...")] = 1,
    guidance: Annotated[float, typer.Option(min=0, help="How far the music's influence is exaggerated; 1: not.")] = 2.0,
    steps: Annotated[int, typer.Option(min=1, help="Of sampling: more take longer, and vary more.")] = 50,
    guide: Annotated[
        list[str] | None,
        typer.Option(metavar="REWARD[=WEIGHT]", help="Guide dances to more of a reward, as ground; may be repeated."),
    ] = None,
    guide_form: Annotated[
        str, typer.Option(help="rewards: by the gradients of --guide; paper: the floor's guidance as published.")
    ] = "rewards",
    guide_steps: Annotated[
        int | None, typer.Option(min=1, help="Guide at how many of the last steps. Default: 1.")
    ] = None,
    rewards: Annotated[Path | None, typer.Option(help="Python that registers one's own rewards for --guide.")] = None,
    project: Annotated[
        int, typer.Option(min=0, help="At how many of the last steps a simulated body imitates the dance; 0: never.")
    ] = 0,
    post_process: Annotated[
        bool, typer.Option("--post-process/--raw", help="Write with feet put on the floor, or as the model made it.")
    ] = True,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:NUMBER. Default: a GPU where there is one.")
    ] = None,
) -> None:
    """Make dances to a song, write them, and tell how good they are, raw and after post-processing."""
    from tqdm import tqdm

    from skeletonllm.dance.files import write_dance
    from skeletonllm.dance.guidance import Projection
    from skeletonllm.dance.metrics import FORMS

    check_outputs(output)
    corrections = read_corrections(guide or [], guide_form, guide_steps, rewards, project, steps)
    generator = load_generator(model, device)
    sound, heard = listen(music, features, seconds, generator.fps)
    with tqdm(total=count * steps, unit="step", disable=None, leave=False) as bar:
        dances = generator.dance(
            heard,
            seed=seed,
            steps=steps,
            guidance=guidance,
            count=count,
            corrections=corrections,
            progress=lambda done: bar.update(),
        )
    body = generator.body
    made = [{form: prepare(dance, body) for form, prepare in FORMS.items()} for dance in dances]
    print(f"{heard.num_frames / heard.fps:.1f} s of music, {len(heard.beats)} beats found")
    print_table(summary(made, body, heard.beat_times))
    for projection in (each for each in corrections if isinstance(each, Projection)):
        print(describe_projection(projection))
    for number, forms in enumerate(made, start=1):
        for path in output:
            path = path if count == 1 else path.with_stem(f"{path.stem}-{number}")
            dance = forms["post_processed" if post_process else "raw"]
            with tqdm(desc=path.name, unit="frame", disable=None, leave=False) as bar:
                written = write_dance(path, dance, body, music=sound, progress=bar.update)
            print(f"written to {written.path}" + f" ({'; '.join(written.notes)})" * bool(written.notes))


def check_outputs(paths: list[Path]) -> None:
    """Says what cannot be written before a dance is made for it.

    Raises:
        ValueError: an ending that no format has.
        OSError: a folder, or a place where nothing can be written.
    """
    from skeletonllm.dance.files import DANCE_WRITERS

    for path in paths:
        if path.suffix.lower() not in DANCE_WRITERS:
            raise ValueError(f"{path}: no such kind of dance file, expected {', '.join(sorted(DANCE_WRITERS))}")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder, expected a file", str(path))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise OSError(f"{path}: cannot be written: {error.strerror}") from error


def load_generator(model: Path | None, device: str | None) -> "Generator":
    """The generator of a folder or of a checkpoint of EDGE, or that of the package, on a device.

    Raises:
        ValueError: it is damaged, or there is no such device.
        OSError: there is none.
    """
    import torch

    from skeletonllm.dance.generator import Generator
    from skeletonllm.dance.shipped import ABOUT, load_shipped

    if model is None:
        print(ABOUT, file=sys.stderr)
        generator = load_shipped()
    else:
        generator = Generator.open(model)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return generator.to(device)
    except (RuntimeError, AssertionError) as error:  # torch tells so of a device that it does not know, or has not
        raise ValueError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from error


def listen(
    music: str, features: Path | None, seconds: float | None, fps: float
) -> tuple["tuple[np.ndarray, int] | Path", "MusicFeatures"]:
    """The sound, for videos, and what the generator hears of it; what is odd about it is told on stderr.

    Raises:
        ValueError: no such embedded song, no audio, or too little of it to dance to.
        OSError: no such file.
    """
    from skeletonllm.dance.audio import read_audio
    from skeletonllm.dance.metrics.performance import SHORTEST
    from skeletonllm.dance.music import MusicWarning, music_features, read_jukebox
    from skeletonllm.dance.synthesis import embedded_song

    if music.startswith(EMBEDDED):
        number = music.removeprefix(EMBEDDED)
        if not number.isdecimal():
            raise ValueError(f"{music}: expected a number, such as {EMBEDDED}0")
        song = embedded_song(int(number), seconds or _SECONDS)
        print(f"{music}: {song.style} in {song.key}, {song.tempo:g} beats per minute")
        samples, rate = song.samples, song.rate
    else:
        samples, rate = read_audio(music)
    whole = len(samples)
    samples = samples if seconds is None else samples[: round(seconds * rate)]
    if len(samples) < SHORTEST * rate:
        raise ValueError(f"{music}: {whole / rate:.2f} s of sound, expected at least {SHORTEST:g} s to dance to")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MusicWarning)  # said below, in a line each
        heard = replace(music_features((samples, rate), fps), source=music)
    for note in heard.notes:
        print(f"skeletonllm: {music}: {note}", file=sys.stderr)
    if features is not None:
        jukebox = read_jukebox(features, fps=fps)
        # Both count the frames of one song; rounding may cost one.
        frames = min(heard.num_frames, jukebox.num_frames)
        if frames < heard.num_frames - 1:
            raise ValueError(f"{features}: {jukebox.num_frames} frames, the song has {heard.num_frames}")
        heard = replace(jukebox, values=jukebox.values[:frames], beats=heard.beats[heard.beats < frames])
    is_file = not music.startswith(EMBEDDED) and len(samples) == whole
    return Path(music) if is_file else (samples, rate), heard


def summary(dances: list[dict[str, "Motion"]], body: "Body", beats: "np.ndarray") -> list[list[str]]:
    """A table of some metrics of each dance, raw and after post-processing."""
    from skeletonllm.dance.metrics import METRICS, Performance

    rows = [["dance", *_SUMMARY.values()]]
    for number, forms in enumerate(dances, start=1):
        seen = [Performance(motion, body, beats) for motion in forms.values()]
        values = ([METRICS[name].measure(each, False) for each in seen] for name in _SUMMARY)
        rows.append([str(number), *(" → ".join(map(_number, pair)) for pair in values)])
    return rows


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
