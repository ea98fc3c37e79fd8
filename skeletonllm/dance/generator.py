"""A trained generator as one thing: what it hears, how it dances, whose body it is, and the folder that holds it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.body import Body, default_body
from skeletonllm.dance.denoiser import Condition, Denoiser
from skeletonllm.dance.diffusion import GUIDANCE, Diffusion
from skeletonllm.dance.edge_checkpoint import load_edge_checkpoint
from skeletonllm.dance.guidance import Correction, Setting, correct_by
from skeletonllm.dance.long_form import cut_windows
from skeletonllm.dance.motion import FPS, VECTOR_SIZE, Motion
from skeletonllm.dance.music import MusicFeatures
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.postprocess import align_floor
from skeletonllm.data.seeds import mixed_seed
from skeletonllm.models.trained import MODEL_FOLDER
from skeletonllm.skeleton.proportions import STATURE

SETTINGS = "generator.json"
_MOTION, _MUSIC = "motion", "music"
_OWN, _EDGE = "skeletonllm", "edge"
# Windows that go through the denoiser at once: a song of an hour has more than a thousand.
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Generator:
    """Everything that makes dances of music.

    Args:
        denoiser: the network, on the device where dances are to be made; it is put into evaluation mode.
        normalizer: of the 151 channels of dances.
        music_normalizer: of the features of music; None where the denoiser hears them as they are.
        stature, scales: of the body that dances, see ``body.default_body``.
        fps: frames per second of dances and of music.
        beat_phase: whether the denoiser hears the phase of the beat, too, see ``music.beat_phase``.
        vectors: whose 151 numbers the denoiser makes: ``skeletonllm``, or ``edge`` (``codecs.edge``).

    Raises:
        ValueError: normalizers of other sizes than the denoiser's, a body or frame rate that cannot be, or vectors of
            another kind.
    """

    denoiser: Denoiser
    normalizer: Normalizer
    music_normalizer: Normalizer | None
    stature: float = STATURE
    scales: Mapping[str, float] = field(default_factory=dict)
    fps: float = FPS
    vectors: str = _OWN
    beat_phase: bool = False

    def __post_init__(self):
        config = self.denoiser.config
        sizes = [("dances", VECTOR_SIZE, config.channels), ("dances", len(self.normalizer.low), config.channels)]
        if self.music_normalizer is not None:
            sizes.append(("music", len(self.music_normalizer.low), config.music_features))
        for what, found, wanted in sizes:
            if found != wanted:
                raise ValueError(f"a frame of {what} has {found} numbers, the denoiser's {wanted}")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"fps is {self.fps}, expected a positive number")
        if self.vectors not in (_OWN, _EDGE):
            raise ValueError(f"vectors are {self.vectors!r}, expected {_OWN} or {_EDGE}")
        if self.vectors == _EDGE and self.fps != FPS:
            raise ValueError(f"vectors of EDGE at {self.fps:g} frames per second, expected {FPS:g}")
        default_body(self.scales, stature=self.stature)  # raises where there is no such body
        object.__setattr__(self, "scales", dict(self.scales))
        self.denoiser.eval()

    @property
    def body(self) -> Body:
        """Who dances."""
        return default_body(self.scales, stature=self.stature)

    @property
    def device(self) -> torch.device:
        return next(self.denoiser.parameters()).device

    def to(self, device: str | torch.device) -> "Generator":
        """The same generator, its denoiser moved to a device."""
        return replace(self, denoiser=self.denoiser.to(device))

    def hear(self, music: MusicFeatures | Tensor) -> Tensor:
        """(F, C) features of music as the denoiser takes them, on its device.

        Raises:
            ValueError: features of another number or at another frame rate.
        """
        who = "music" if isinstance(music, Tensor) else music.source or "music"
        if isinstance(music, MusicFeatures):
            if music.fps != self.fps:
                raise ValueError(f"{who}: {music.fps:g} frames per second, the model hears {self.fps:g}")
            music = torch.from_numpy((music.with_phase() if self.beat_phase else music).values)
        wanted = self.denoiser.config.music_features
        if music.ndim != 2 or not len(music) or music.shape[1] != wanted:
            raise ValueError(f"{who}: features have shape {tuple(music.shape)}, the model hears (F, {wanted})")
        music = music.to(self.device, torch.float32)
        return music if self.music_normalizer is None else self.music_normalizer.normalize(music)

    def dance(
        self,
        music: MusicFeatures | Tensor,
        *,
        seed: int,
        steps: int = 50,
        eta: float = 1.0,
        guidance: float = GUIDANCE,
        count: int = 1,
        corrections: Sequence[Correction] = (),
        progress: Callable[[int], None] = lambda steps: None,
    ) -> list[Motion]:
        """Dances to music of any length, each as long as the music.

        Longer music than a window is danced in windows that overlap by half (``Diffusion.sample_long``). Shorter music
        is heard as if its last frame went on, and the dance is cut. Dance n of a seed is the same whatever the count,
        and made from the same noise on every device.

        Args:
            music: features, or (F, C) of them that are not normalised.
            seed: of all noise.
            steps, eta, guidance: see ``Diffusion.ddim_sample``.
            count: how many dances.
            corrections: what changes them on their way out of the noise, one after the other, see ``guidance``.
            progress: told after each of the ``count * steps`` steps how many are done.

        Raises:
            ValueError: music that the denoiser cannot hear, see ``hear``, a count below one, or corrections at more
                steps than there are.
        """
        if count < 1:
            raise ValueError(f"count is {count}, expected 1 or more")
        for correction in corrections:
            if correction.steps > steps:
                raise ValueError(f"dances corrected at {correction.steps} steps of {steps}")
        heard, frames = self.hear(music), self.denoiser.config.frames
        source = music.source if isinstance(music, MusicFeatures) else ""
        diffusion, dances = Diffusion(), []
        beats = music.beat_times if isinstance(music, MusicFeatures) else None
        setting = Setting(
            self.body, self.normalizer, diffusion.alpha_bars, self.fps, True, self.vectors == _EDGE, beats
        )
        correct = correct_by(corrections, setting)
        for number in range(count):
            model = _Counted(self.denoiser, lambda done, before=number * steps: progress(before + done))
            noise = torch.Generator().manual_seed(mixed_seed(seed, number))
            settings = {"generator": noise, "steps": steps, "eta": eta, "guidance": guidance, "correct": correct}
            if len(heard) > frames:
                windows = diffusion.sample_long(model, heard, window=frames, **settings)
            else:  # guidance need not rise, as there is nobody to agree with
                windows = diffusion.ddim_sample(model, cut_windows(heard, frames), **settings)
            (dance,) = setting.motions(windows)
            dance = dance.slice(0, len(heard))
            if self.vectors == _EDGE:  # made for a body whose legs are of another length
                dance = align_floor(dance, self.body)
            dances.append(dance.replace(source=source))
        return dances

    def save(self, folder: str | Path) -> None:
        """Write everything into a folder: safetensors and JSON."""
        folder = Path(folder)
        self.denoiser.save(folder)
        self.normalizer.save(folder / _MOTION)
        if self.music_normalizer is not None:
            self.music_normalizer.save(folder / _MUSIC)
        settings = {
            "kind": "dance generator",
            "fps": self.fps,
            "vectors": self.vectors,
            "body": {"stature": self.stature, "scales": dict(self.scales)},
            "music_is_normalized": self.music_normalizer is not None,
            "beat_phase": self.beat_phase,
        }
        # Last, so that a folder which has it has everything.
        (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> "Generator":
        """Read what ``save`` wrote, from its folder or that of the training run, which has it in ``model``.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file holds something else, or the files do not fit each other.
        """
        folder = Path(folder)
        inside = folder / MODEL_FOLDER
        folder = inside if not (folder / SETTINGS).exists() and inside.is_dir() else folder
        path = folder / SETTINGS
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; expected the folder of a dance model, or of its training")
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
            fps, vectors, has_music, phase = (
                settings[name] for name in ("fps", "vectors", "music_is_normalized", "beat_phase")
            )
            stature, scales = settings["body"]["stature"], dict(settings["body"]["scales"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not the settings of a dance model: {type(error).__name__}: {error}") from error
        denoiser, normalizer = Denoiser.load(folder), Normalizer.load(folder / _MOTION)
        music_normalizer = Normalizer.load(folder / _MUSIC) if has_music else None
        try:
            return cls(denoiser, normalizer, music_normalizer, stature, scales, fps, vectors, phase)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder}: the files do not make a dance model: {error}") from error

    @classmethod
    def open(cls, path: str | Path) -> "Generator":
        """A folder as ``load`` reads it, or a file as ``from_edge_checkpoint`` does, which say what they raise."""
        return cls.from_edge_checkpoint(path) if Path(path).is_file() else cls.load(path)

    @classmethod
    def from_edge_checkpoint(cls, path: str | Path) -> "Generator":
        """A checkpoint of EDGE's authors as a generator for our average body: see ``load_edge_checkpoint``.

        It hears features as they are. Its dances were made for another body: they are moved in height so that
        standing feet are on the floor.
        """
        denoiser, normalizer = load_edge_checkpoint(path)
        try:
            return cls(denoiser, normalizer, None, vectors=_EDGE)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


class _Counted:
    """A denoiser that takes many windows a few at a time, and tells how often it was asked."""

    training = False

    def __init__(self, denoiser: Denoiser, progress: Callable[[int], None]):
        self.denoiser, self.progress, self.done = denoiser, progress, 0

    def listen(self, music: Tensor) -> Condition:
        heard = [self.denoiser.listen(some) for some in music.split(_AT_ONCE)]
        return Condition(*(torch.cat(parts) for parts in zip(*heard, strict=True)))

    def no_music(self, batch: int, frames: int) -> Condition:
        return self.denoiser.no_music(batch, frames)

    def __call__(self, motion: Tensor, times: Tensor, condition: Condition) -> Tensor:
        inputs = (motion, times, *condition)
        predicted = [
            self.denoiser(some, when, Condition(tokens, summary))
            for some, when, tokens, summary in zip(*(part.split(_AT_ONCE) for part in inputs), strict=True)
        ]
        self.done += 1
        self.progress(self.done)
        return torch.cat(predicted)
