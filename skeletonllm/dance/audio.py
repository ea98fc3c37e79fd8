"""Sound files in and out: mono float32 samples, and errors that name the file."""

import re
import wave
from pathlib import Path

import numpy as np

from skeletonllm.rendering.video import replacing

SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
_FULL_SCALE = 32768
# Of all channels, where only some seconds are read: 512 MB.
_MOST_VALUES = 2**27
# Names of AIST++ such as gBR_sBM_cAll_d04_mBR0_ch01: the music is mBR0.
_AIST_MUSIC = re.compile(r"(?:^|_)(m[A-Z]{2}[0-9])(?:_|$)")


def find_song(dance: str, folder: Path) -> Path | None:
    """The song of a dance in a folder: NAME.wav, .flac, .ogg or .mp3, or for AIST++ that of the music in the name.

    Args:
        dance: the dance's file; ``FILE#NAME`` is looked up as FILE.
        folder: of the songs.
    """
    stem = Path(dance.partition("#")[0]).stem
    songs = (folder / f"{name}{suffix}" for name in (stem, *_AIST_MUSIC.findall(stem)[:1]) for suffix in SOUNDS)
    return next((song for song in songs if song.is_file()), None)


def read_audio(path: str | Path, seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Mono samples (N,) float32 and their rate, of any file that libsndfile reads: WAV, FLAC, OGG, MP3.

    Channels are averaged.

    Args:
        path: the file.
        seconds: read so many at most, however long the file is or says that it is; None: all.

    Raises:
        OSError: there is no such file, or it is a folder.
        ValueError: it is no audio, is damaged, is empty or has samples that are not finite.
        ImportError: the package soundfile is not installed.
    """
    import soundfile

    path = Path(path)
    with path.open("rb") as file:
        try:
            with soundfile.SoundFile(file) as sound:
                rate = sound.samplerate
                most = -1 if seconds is None else round(seconds * rate)
                if most * sound.channels > _MOST_VALUES:
                    found = f"{sound.channels} channels at {rate} samples per second"
                    raise ValueError(f"{path}: {found}, of which {seconds:g} s are more than fit in memory")
                samples = sound.read(most, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"{path}: no audio that can be read ({error.error_string}), expected WAV, FLAC, OGG or MP3"
            ) from error
    return check_samples(samples, rate, str(path)), int(rate)


def check_samples(samples: np.ndarray, rate: float, source: str = "audio") -> np.ndarray:
    """Samples (N,) or (N, channels) as mono float32 (N,).

    Raises:
        ValueError: no samples, another shape, samples that are not finite, or a rate that is not positive.
    """
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"{source}: samples have shape {samples.shape}, expected (N,) or (N, channels)")
    if not samples.size:
        raise ValueError(f"{source}: no samples, expected some sound")
    if not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(f"{source}: samples are {samples.dtype}, expected floating point numbers within [-1, 1]")
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"{source}: the rate is {rate}, expected a positive number of samples per second")
    bad = np.flatnonzero(~np.isfinite(samples.reshape(len(samples), -1)).all(1))
    if len(bad):
        raise ValueError(f"{source}: sample {bad[0]} is not finite ({len(bad)} of {len(samples)})")
    mono = samples if samples.ndim == 1 else samples.mean(1)
    return np.ascontiguousarray(mono, dtype=np.float32)


def write_wav(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """A mono WAV of 16 bits; what is beyond [-1, 1] is clipped.

    Raises:
        ValueError: see ``check_samples``.
    """
    mono = check_samples(samples, rate, str(path))
    with replacing(path) as unfinished, wave.open(str(unfinished), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(rate))
        levels = np.clip((mono * _FULL_SCALE).round(), -_FULL_SCALE, _FULL_SCALE - 1)
        file.writeframes(levels.astype("<i2").tobytes())
