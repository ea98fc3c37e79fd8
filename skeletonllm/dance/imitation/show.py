"""A judgement to look at: its terms over time, and the simulated body beside the reference."""

from pathlib import Path

import numpy as np

from skeletonllm.dance.body import Body
from skeletonllm.dance.imitation.judgement import Judgement
from skeletonllm.dance.imitation.terms import TERMS
from skeletonllm.dance.motion import FPS
from skeletonllm.dance.pictures import draw_dance, side_by_side
from skeletonllm.rendering.video import replacing, write_gif, write_mp4

_INCHES, _DPI = (8.0, 5.0), 100


def plot_judgement(judgement: Judgement, path: str | Path) -> None:
    """A PNG of 800 x 500 pixels: the terms and the reward above, what helped and the contacts within the body below."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    above, below = figure.subplots(2, sharex=True)
    title = f"{Path(judgement.source).name}: {judgement.reward:.3f}".replace("$", r"\$")
    seconds = np.arange(1, len(judgement.rewards) + 1) / FPS
    for name in TERMS:
        above.plot(seconds, judgement.terms.get(name, judgement.rewards), label=name, linewidth=1)
    above.plot(seconds, judgement.ground, label="ground", linewidth=1, linestyle="--")
    above.plot(seconds, judgement.rewards, label="reward", color="black")
    above.set(ylim=(0, 1.02), ylabel="0 to 1", title=title)
    force, torque = judgement.caps
    below.plot(seconds, judgement.force, label=f"force / weight (up to {force:.2f} along each axis)")
    below.plot(seconds, judgement.torque, label=f"torque / weight / height of the pelvis (up to {torque:.2f})")
    touches, heights = judgement.self_collisions > 0, below.get_xaxis_transform()
    below.fill_between(seconds, touches, step="mid", alpha=0.2, color="red", label="touches itself", transform=heights)
    below.set(xlabel="seconds", ylabel="help")
    below.set_ylim(bottom=0)
    for axes in (above, below):
        if judgement.fall is not None:
            axes.axvline(judgement.fall / FPS, color="red", linestyle=":", label="fell")
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    with replacing(path) as unfinished:
        figure.savefig(unfinished, format="png")


def film_judgement(judgement: Judgement, body: Body, path: str | Path, size: int = 360) -> None:
    """A video, MP4 or GIF by the name of the file, of the reference and the simulated body, overlaps in red.

    Raises:
        ValueError: another suffix, or a judgement of what was never simulated.
        RuntimeError: an MP4 without ffmpeg.
    """
    writers = {".mp4": write_mp4, ".gif": write_gif}
    write = writers.get(Path(path).suffix.lower())
    if write is None:
        raise ValueError(f"{path}: expected a name that ends in {' or '.join(writers)}")
    if judgement.simulated is None:
        raise ValueError(f"{judgement.source}: nothing to show, {judgement.problem}")
    told = "simulated" if judgement.fall is None else f"simulated, falls at {judgement.fall_time:.1f} s"
    frames = side_by_side(
        draw_dance(judgement.reference, body, size=size),
        draw_dance(judgement.simulated, body, size=size),
        ("reference", f"{told}, {judgement.reward:.2f}"),
    )
    write(path, frames, FPS)
