"""Beat alignment: whether the dancer is slowest where the music has its beats.

A beat of the dance is where the mean speed of the joints, smoothed, has a minimum. Two conventions are in use, whose
numbers cannot be compared: the mean over the beats of the *music*, of how near the next beat of the dance is (Siyao et
al. 2022, "Bailando"); and the mean over the beats of the *dance*, of how near the next beat of the music is (Li et al.
2021, "AI Choreographer"). The first is raised by many beats of the dance, the second by few.
"""

import numpy as np

from skeletonllm.dance.metrics.performance import Performance
from skeletonllm.dance.series import smooth

# Of the published scripts: frames at 60 per second.
_RATE, _SMOOTHING, _TOLERANCE, _LAST = 60.0, 5.0, 3.0, 1200


def beat_alignment_music(performance: Performance, legacy: bool = False) -> float | None:
    """From 0 to 1, over the beats of the music; None without music, 0 if the dance has no beats.

    Beats nearer to the start or end of the clip than speeds are smoothed are not asked for.

    Legacy: frames are doubled from 30 to 60 per second, so that every second speed is zero; beats of the music at the
    very ends, which no dance can have, count; nothing after 20 s does.
    """
    music, dance = _music(performance, legacy), dance_beats(performance, legacy)
    if music is None or not len(music):
        return None
    return _nearness(music, dance) if len(dance) else 0.0


def beat_alignment_dance(performance: Performance, legacy: bool = False) -> float | None:
    """From 0 to 1, over the beats of the dance; None without music or without beats of the dance.

    Legacy: see ``beat_alignment_music``.
    """
    music, dance = _music(performance, legacy), dance_beats(performance, legacy)
    if music is None or not len(music) or not len(dance):
        return None
    return _nearness(dance, music)


def dance_beats(performance: Performance, legacy: bool = False) -> np.ndarray:
    """(B,) seconds of the minima of the joints' mean speed, between frames too.

    Legacy: see ``beat_alignment_music``.
    """
    if legacy:
        doubled = np.repeat(performance.joints, round(_RATE / performance.fps), axis=0)[:_LAST]
        speed = smooth(np.linalg.norm(np.diff(doubled, axis=0), axis=-1).mean(1), _SMOOTHING)
        return (1 + np.flatnonzero((speed[1:-1] < speed[:-2]) & (speed[1:-1] < speed[2:]))) / _RATE
    fps = performance.fps
    speed = smooth(performance.speeds.mean(1), _SMOOTHING / _RATE * fps)
    # A rest right at a frame is between two equal speeds, of which the first counts.
    at = 1 + np.flatnonzero((speed[1:-1] < speed[:-2]) & (speed[1:-1] <= speed[2:]))
    before, here, after = speed[at - 1], speed[at], speed[at + 1]
    # The vertex of the parabola through three speeds, each in the middle between two frames.
    vertex = 0.5 * (before - after) / (before - 2 * here + after)
    return (at + vertex + 0.5) / fps


def _music(performance: Performance, legacy: bool) -> np.ndarray | None:
    beats, seconds = performance.beats, performance.motion.duration
    if beats is None:
        return None
    edge = 0.0 if legacy else _SMOOTHING / _RATE
    stop = min(seconds, _LAST / _RATE) if legacy else seconds
    return beats[(beats >= edge) & (beats <= stop - edge)]


def _nearness(these: np.ndarray, others: np.ndarray) -> float:
    """The mean over ``these`` of a Gaussian of the time to the nearest of ``others``."""
    nearest = np.abs(these[:, None] - others).min(1) * _RATE
    return float(np.exp(-(nearest**2) / (2 * _TOLERANCE**2)).mean())
