"""Other bodies: the same pose in other topologies, joints that nobody knows, and two persons."""

from collections.abc import Callable
from dataclasses import replace

import canvas
import torch
from anatomy import own_bones
from PIL import Image
from scenes import action, moment, render, untrained

from skeletonllm.skeleton.sequence import Clip

SIZE = 152
TOPOLOGIES = ("kinect_v2", "smpl_24", "coco_17", "openpose_25", "mediapipe_33")


def topologies() -> Image.Image:
    """What each topology knows, and how that is drawn."""
    clips = [moment(action("wave left hand", 9, name, yaw=20), 4) for name in TOPOLOGIES]
    known = [own_bones(clip, SIZE) for clip in clips]
    drawn = [canvas.picture(render(untrained(), clip, SIZE)[0]) for clip in clips]
    return canvas.grid([known, drawn], titles=TOPOLOGIES)


def _without(clip: Clip, *names: str) -> Clip:
    valid = clip.valid.clone()
    valid[:, :, [clip.topology.index(name) for name in names]] = False
    return replace(clip, valid=valid)


def _doubted(clip: Clip, name: str, confidence: float) -> Clip:
    """Of the joints whose names begin so, nobody is sure."""
    doubt = torch.tensor([confidence if joint.startswith(name) else 1.0 for joint in clip.topology.joints])
    return replace(clip, confidence=doubt.expand(clip.valid.shape))


def missing() -> Image.Image:
    """The same pose as COCO has it, with less and less known."""
    clip = moment(action("raise both arms", 9, "coco_17", yaw=20), 2)
    kinds: dict[str, Callable[[Clip], Clip]] = {
        "all known": lambda c: c,
        "no left wrist": lambda c: _without(c, "left_wrist"),
        "no left elbow": lambda c: _without(c, "left_elbow"),
        "no left hip": lambda c: _without(c, "left_hip"),
        "left side at 0.3": lambda c: _doubted(c, "left", 0.3),
    }
    row = [canvas.picture(render(untrained(), change(clip), SIZE)[0]) for change in kinds.values()]
    return canvas.grid([row], titles=list(kinds))


def persons() -> Image.Image:
    """Two people: who is in front covers the other, whoever comes first in the file."""
    clips = [moment(action("push", 9, yaw=yaw), 4) for yaw in (0, 40, 75)]
    swapped = clips[-1]
    swapped = replace(swapped, **{name: getattr(swapped, name).flip(1) for name in ("joints", "velocities", "valid")})
    only = replace(clips[0], valid=clips[0].valid & torch.tensor([True, False])[:, None])
    row = [canvas.picture(render(untrained(), clip, SIZE)[0]) for clip in (*clips, swapped, only)]
    titles = ["from the side", "turned by 40", "turned by 75", "listed the other way", "the second unknown"]
    return canvas.grid([row], titles=titles)


FIGURES = {"draw_topologies": topologies, "draw_missing": missing, "draw_persons": persons}
