"""A song to a dance and its files, step by step, so that it can be stopped between any two."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from skeletonllm.serving.simulating import Attempt, attempt, can_simulate

if TYPE_CHECKING:
    import numpy as np

    from skeletonllm.dance.generator import Generator
    from skeletonllm.dance.motion import Motion
    from skeletonllm.serving.limits import Limits
    from skeletonllm.serving.queue import Ticket

EMBEDDED_SECONDS = 20.0
# Of the metrics, those that are told of every dance.
TOLD = ("beat_alignment_music", "foot_ground_distance", "foot_skating", "penetration_rate", "motion_magnitude")


class NoGeneratorError(ValueError):
    """There is no model that could dance."""


@dataclass(frozen=True)
class Choreography:
    """What is to be danced.

    Args:
        song: a file of sound; or the number, from 0, of a song that the package plays.
        targets: files to write, each as its suffix says: ``.mp4``, ``.gif``, ``.png``, ``.bvh``, ``.npz``, ``.glb``.
        seconds: dance to the first so many; None: all of a file, 20 of a song of the package.
        seed: of the dance.
        steps: of sampling.
        guidance: how far the music's influence is exaggerated; 1: not.
        post_process: write the dance with its feet put on the floor, and not as the model made it.
        size: side of pictures, pixels.
        simulate: let a simulated body try the dance as the model made it, where there is a simulator.
    """

    song: Path | int
    targets: tuple[Path, ...] = ()
    seconds: float | None = None
    seed: int = 0
    steps: int = 50
    guidance: float = 2.0
    post_process: bool = True
    size: int = 360
    simulate: bool = False

    def check(self, limits: "Limits") -> None:
        """Raises ValueError for what is more than is taken, or cannot be."""
        from skeletonllm.dance.files import DANCE_WRITERS
        from skeletonllm.dance.pictures import LARGEST, SMALLEST

        for target in self.targets:
            if target.suffix.lower() not in DANCE_WRITERS:
                known = ", ".join(DANCE_WRITERS)
                raise ValueError(
                    f"cannot write {target.suffix or 'a file without a suffix'} of a dance; known: {known}"
                )
        if self.steps < 1 or self.seed < 0 or not 0 <= self.guidance <= 100:
            raise ValueError(
                f"steps {self.steps}, seed {self.seed}, guidance {self.guidance}: expected at least 1, 0, 0"
            )
        if self.seconds is not None and not 0.5 <= self.seconds:
            raise ValueError(f"{self.seconds:g} s of a dance, expected at least 0.5")
        if isinstance(self.song, int) and self.song < 0:
            raise ValueError(f"embedded song {self.song}, expected a number from 0")
        if not SMALLEST <= self.size <= min(LARGEST, 1024):
            raise ValueError(f"pictures of {self.size} pixels, expected {SMALLEST} to 1024")
        limits.check("steps", self.steps, limits.steps)
        seconds = self.seconds or (EMBEDDED_SECONDS if isinstance(self.song, int) else 0.0)
        limits.check("seconds of a dance", seconds, limits.song_seconds)


@dataclass(frozen=True, eq=False)
class Danced:
    """A dance.

    Args:
        raw: as the model made it.
        post_processed: with its feet put on the floor.
        samples, rate: the music, mono, (N,) float32.
        beats: (B,) seconds of the beats that were heard.
        files: what was written, in the order of ``Choreography.targets``; a video may have become a GIF.
        metrics: by name the numbers of ``raw`` and ``post_processed``, and of what the simulated body did where one
            tried; None where one cannot be measured.
        notes: what is odd about music and files, a sentence each.
        attempt: what a simulated body did with ``raw``; None where none tried.
    """

    raw: "Motion"
    post_processed: "Motion"
    samples: "np.ndarray"
    rate: int
    beats: "np.ndarray"
    files: tuple[Path, ...]
    metrics: dict[str, tuple[float | None, ...]]
    notes: tuple[str, ...]
    attempt: Attempt | None = None


def perform(generator: "Generator", wanted: Choreography, ticket: "Ticket", limit: float) -> Danced:
    """Hear, dance, measure and write, telling the ticket how far it is.

    Args:
        generator: who dances.
        limit: seconds; longer music is refused where ``wanted`` does not say how much of it is danced to.

    Raises:
        ValueError: no audio, too little of it, or too much.
        CancelledWork, OutOfTime: see ``Ticket.check``.
    """
    from skeletonllm.dance.files import write_dance
    from skeletonllm.dance.metrics import FORMS, METRICS, Performance
    from skeletonllm.dance.music import MusicWarning, music_features

    def progress(doing: str, share: float | None) -> None:
        ticket.check()
        ticket.tell(doing=doing, share=share)

    progress("listening", 0.0)
    samples, rate = play(wanted.song, wanted.seconds, limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MusicWarning)  # told in notes
        # Nothing that a visitor brings is kept.
        heard = music_features((samples, rate), generator.fps, cache=False)
    heard = replace(heard, source="the song")
    (raw,) = generator.dance(
        heard, seed=wanted.seed, steps=wanted.steps, guidance=wanted.guidance,
        progress=lambda done: progress("dancing", done / wanted.steps),
    )  # fmt: skip
    body = generator.body
    forms = {name: prepare(raw, body) for name, prepare in FORMS.items()}
    tried = None
    if wanted.simulate and can_simulate():
        progress("simulating", None)  # in one call, a second or two for a minute of dance
        tried = attempt(raw, body)
    progress("measuring", 0.0)
    danced = [*forms.values(), *([tried.motion] if tried and tried.motion else [])]
    seen = [Performance(motion, body, heard.beat_times) for motion in danced]
    metrics = {name: tuple(METRICS[name].measure(each, False) for each in seen) for name in TOLD}
    shown = forms["post_processed" if wanted.post_process else "raw"]
    files, notes = [], list(heard.notes)
    for target in wanted.targets:
        drawn = [0]

        def drew(count: int, doing: str = f"writing {target.suffix[1:]}", drawn: list[int] = drawn) -> None:
            drawn[0] += count
            progress(doing, min(1.0, drawn[0] / shown.num_frames))

        drew(0)
        written = write_dance(target, shown, body, music=(samples, rate), size=wanted.size, progress=drew)
        files.append(written.path)
        notes += written.notes
    post_processed = forms["post_processed"]
    return Danced(raw, post_processed, samples, rate, heard.beat_times, tuple(files), metrics, tuple(notes), tried)


def play(song: Path | int, seconds: float | None, limit: float) -> tuple["np.ndarray", int]:
    """Samples and their rate.

    Raises:
        ValueError: no audio, too little of it, or more than ``limit`` seconds where ``seconds`` does not cut it.
    """
    from skeletonllm.dance.audio import read_audio
    from skeletonllm.dance.metrics.performance import SHORTEST
    from skeletonllm.dance.synthesis import embedded_song

    if isinstance(song, int):
        made = embedded_song(song, seconds or EMBEDDED_SECONDS)
        return made.samples, made.rate
    samples, rate = read_audio(song, limit + 1 if seconds is None else seconds)
    if len(samples) < SHORTEST * rate:
        found = f"{len(samples) / rate:.2f} s of sound"
        raise ValueError(f"{song.name}: {found}, expected at least {SHORTEST:g} s to dance to")
    if len(samples) > limit * rate:
        raise ValueError(f"{song.name}: more than {limit:g} s of sound; say how many of the first seconds to dance to")
    return samples, rate
