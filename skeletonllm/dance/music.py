"""What a dancer hears: 35 numbers for every frame of the dance, and the frames of the beats."""

import hashlib
import os
import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from skeletonllm.dance.audio import check_samples, read_audio
from skeletonllm.dance.music_cache import load_cached, save_cached

FPS = 30.0
HOP = 512
"""Samples from one frame to the next, after resampling to ``HOP * fps``."""
LEAST_FPS = 16
"""The chroma reach up to 4,075 Hz, which takes a rate of more than twice as much."""

NUM_MFCC, NUM_CHROMA = 20, 12
ONSET = slice(0, 1)
MFCC = slice(1, 1 + NUM_MFCC)
CHROMA = slice(MFCC.stop, MFCC.stop + NUM_CHROMA)
PEAKS = slice(CHROMA.stop, CHROMA.stop + 1)
BEATS = slice(PEAKS.stop, PEAKS.stop + 1)
NUM_FEATURES = BEATS.stop
"""The channels, 35: strength of onsets, MFCC, chroma, and 1 in the frames of onsets and of beats."""

JUKEBOX_FEATURES = 4800

# Full scale is 1: 80 dB below it nothing is heard.
_SILENCE = 1e-4
# Shorter sounds are followed by silence up to here, for the constant-Q filters behind the chroma.
_SHORTEST = 1.0
# Below this there is no second beat to find at any usual tempo.
_SHORT = 2.0
# librosa's own rate, at which the first guess of the tempo is made.
_TEMPO_RATE = 22_050
_TIGHTNESS = 100
# Part of the name of what is cached: to be raised when the features change.
_REVISION = 1


class MusicWarning(UserWarning):
    """Music of which little can be heard; features are finite all the same."""


@dataclass(frozen=True, eq=False)
class MusicFeatures:
    """Features of a piece of music, frame i belonging to the time i / fps as in a ``Motion``.

    Args:
        values: (T, C) float32: C = 35 as above, or 4800 of Jukebox; two more with the phase of the beat.
        beats: (B,) int64 frame numbers, ascending.
        fps: frames per second.
        source: where it came from, for messages.
        notes: what was found odd, a sentence each; each was also given as a ``MusicWarning``.
    """

    values: np.ndarray
    beats: np.ndarray
    fps: float = FPS
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        values, beats = np.asarray(self.values), np.asarray(self.beats)
        who = self.source or "music"
        if values.ndim != 2 or not values.size:
            raise ValueError(f"{who}: features have shape {values.shape}, expected (T, C)")
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if len(bad):
            raise ValueError(f"{who}: features of frame {bad[0]} are not finite ({len(bad)} of {len(values)} frames)")
        if beats.ndim != 1 or len(beats) and not 0 <= beats.min() <= beats.max() < len(values):
            raise ValueError(f"{who}: beats {beats.tolist()[:8]} are not all among the {len(values)} frames")
        object.__setattr__(self, "values", values.astype(np.float32))
        object.__setattr__(self, "beats", np.sort(beats.astype(np.int64)))

    @property
    def num_frames(self) -> int:
        return len(self.values)

    def with_phase(self) -> "MusicFeatures":
        """The same with two more channels, see ``beat_phase``."""
        phase = beat_phase(self.beats, self.num_frames)
        return replace(self, values=np.concatenate([self.values, phase], 1))

    @property
    def beat_times(self) -> np.ndarray:
        """(B,) seconds."""
        return self.beats / self.fps


def music_features(
    music: str | Path | tuple[np.ndarray, int], fps: float = FPS, *, cache: Path | bool = True
) -> MusicFeatures:
    """The 35 features of EDGE (Tseng et al. 2023), with its settings of librosa: onset strength, 20 MFCC, 12 chroma
    (CENS), onsets, and beats by dynamic programming (Ellis 2007) around the tempo that librosa finds at 22,050 Hz.

    Args:
        music: a file, see ``read_audio``; or samples (N,) or (N, channels), and their rate.
        fps: frames per second; a sound of S seconds gives S * fps frames, rounded, one at least.
        cache: a folder where features are kept by content; True: ``cache_folder()``; False: nowhere.

    Raises:
        OSError, ValueError: see ``read_audio`` and ``check_samples``; a frame rate below ``LEAST_FPS``.
        ImportError: librosa or soundfile is not installed.
    """
    if not (np.isfinite(fps) and fps >= LEAST_FPS):
        raise ValueError(f"fps is {fps}, expected {LEAST_FPS} or more: slower, the highest notes would be lost")
    if isinstance(music, tuple):
        source, rate = "samples", music[1]
        samples = check_samples(music[0], rate)
        content = hashlib.sha256(f"{rate:g}".encode() + samples.tobytes())
    else:
        source, samples, rate = str(music), None, None
        content = hashlib.sha256(Path(music).read_bytes())
    content.update(f" {fps:g} {_REVISION} librosa {version('librosa')}".encode())
    folder = cache_folder() if cache is True else cache or None
    kept = folder and Path(folder) / f"{content.hexdigest()}.safetensors"
    found = load_cached(kept) if kept else None
    if found is None:
        if samples is None:
            samples, rate = read_audio(music)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="librosa")  # of short and silent music, which the notes tell
            found = _analyse(samples, rate, fps)
        if kept:
            save_cached(kept, *found)
    values, beats, notes = found
    for note in notes:
        warnings.warn(f"{source}: {note}", MusicWarning, stacklevel=2)
    return MusicFeatures(values, beats, fps, source, notes)


def beat_phase(beats: np.ndarray, frames: int) -> np.ndarray:
    """(frames, 2) float32: cosine and sine of how far each frame is from one beat, where they are 1 and 0, to the next.

    Before the first beat and after the last it goes on at the pace there. Zeros with fewer than two beats.

    Args:
        beats: (B,) frame numbers, ascending.
        frames: how many.
    """
    if len(beats) < 2:
        return np.zeros((frames, 2), np.float32)
    times, gaps = np.arange(frames), np.diff(beats)
    turns = np.interp(times, beats, np.arange(len(beats)))
    turns += np.minimum(times - beats[0], 0) / gaps[0] + np.maximum(times - beats[-1], 0) / gaps[-1]
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], -1).astype(np.float32)


def read_jukebox(path: str | Path, *, fps: float = FPS, beats: np.ndarray | None = None) -> MusicFeatures:
    """Features of Jukebox that a user computed: (T, 4800) at ``fps``, the only array of an .npy or .npz file.

    The file does not say where the beats are: those of ``music_features`` may be given, else there are none.

    Raises:
        OSError: there is no such file.
        ValueError: another shape, other than one array, numbers that are not finite, or no such file format.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            with found:
                names, arrays = found.files, [found[name] for name in found.files]
            if len(arrays) != 1:
                raise ValueError(f"arrays {', '.join(names) or 'none'}, expected one")
            found = arrays[0]
    except (ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path}: no .npy or .npz file with one array of numbers ({error})") from error
    if found.ndim != 2 or found.shape[1] != JUKEBOX_FEATURES or not len(found):
        raise ValueError(f"{path}: features have shape {found.shape}, expected (T, {JUKEBOX_FEATURES})")
    if not np.issubdtype(found.dtype, np.floating):
        raise ValueError(f"{path}: features are {found.dtype}, expected floating point numbers")
    return MusicFeatures(found, np.zeros(0) if beats is None else beats, fps, str(path))


def cache_folder() -> Path:
    """Where features are kept: ``music`` in ``SKELETONLLM_CACHE``, or in the user's cache folder."""
    own = os.environ.get("SKELETONLLM_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(own) if own else Path(shared) / "skeletonllm") / "music"


def _analyse(samples: np.ndarray, rate: int, fps: float) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Values (T, 35), beats (B,) and notes."""
    import librosa

    notes = []
    seconds = len(samples) / rate
    frames = max(1, round(seconds * fps))
    silent = bool(np.abs(samples).max() < _SILENCE)
    if silent:
        notes.append("silent: no beats")
    if seconds < _SHORT:
        notes.append(f"only {seconds:.2f} s long: too short to find beats")
    target = fps * HOP
    if rate < target:
        notes.append(f"resampled from {rate:g} Hz: nothing above {rate / 2:g} Hz is heard")
    heard = np.pad(samples, (0, max(0, int(_SHORTEST * rate) - len(samples))))
    resampled = librosa.resample(heard, orig_sr=rate, target_sr=target)
    onset = librosa.onset.onset_strength(y=resampled, sr=target, hop_length=HOP)
    mfcc = librosa.feature.mfcc(y=resampled, sr=target, n_mfcc=NUM_MFCC, hop_length=HOP)
    chroma = librosa.feature.chroma_cens(y=resampled, sr=target, hop_length=HOP, n_chroma=NUM_CHROMA)
    values = np.zeros((max(frames, len(onset)), NUM_FEATURES), np.float32)
    values[: len(onset), ONSET] = onset[:, None]
    values[: mfcc.shape[1], MFCC] = mfcc.T
    values[: chroma.shape[1], CHROMA] = chroma.T
    # The last frame once more where the sound ends just before it.
    values[len(onset) :, : PEAKS.start] = values[len(onset) - 1, : PEAKS.start]
    beats = np.zeros(0, np.int64)
    if not silent:
        peaks = librosa.onset.onset_detect(onset_envelope=onset, sr=target, hop_length=HOP)
        values[peaks, PEAKS] = 1.0
    if not silent and seconds >= _SHORT:
        slower = librosa.resample(heard, orig_sr=rate, target_sr=_TEMPO_RATE)
        guess = float(librosa.feature.tempo(y=slower, sr=_TEMPO_RATE)[0])
        _, beats = librosa.beat.beat_track(
            onset_envelope=onset, sr=target, hop_length=HOP, start_bpm=guess, tightness=_TIGHTNESS
        )
        beats = beats[beats < frames]
        values[beats, BEATS] = 1.0
    return values[:frames], beats, tuple(notes)
