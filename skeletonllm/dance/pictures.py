"""Pictures of a dance: the body as its capsules on a floor, standing feet lit, overlapping limbs red."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from skeleton_kernels import penetration, splat
from skeletonllm.dance.body import Body, capsule_ends, collision_pairs
from skeletonllm.dance.contacts import CONTACT_JOINTS
from skeletonllm.dance.flesh import OVERLAPPING, STANDING, capsule_colors, flesh_of, gaussians
from skeletonllm.dance.motion import Motion
from skeletonllm.dance.stage import Floor, Stage

SMALLEST, LARGEST = 16, 4096
# Metres at which an overlap is red; smaller ones are on the way there.
FULLY_RED = 0.03
# Gaussians fade slowly: what covers less than this share of a pixel is cut off, so that bodies have an edge.
_EDGE = 0.3
# Frames that are drawn at once: their tiles stay in the cache, and little is kept in memory.
_AT_ONCE = 8


def draw_dance(
    motion: Motion,
    body: Body,
    *,
    size: int = 360,
    follow: bool = True,
    which: Sequence[int] | None = None,
    overlapping: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """The frames of a dance one after the other, (size, size, 3) uint8.

    The camera faces somebody who faces -y, as that of recordings does: the dancer's left is on the right.

    Args:
        motion: what is danced.
        body: who dances.
        size: side of the pictures, pixels.
        follow: whether the camera goes along with the dancer, so that somebody who crosses the room stays large.
        which: numbers of the frames to draw, all by default; the camera is that of the whole dance.
        overlapping: (T, C) from 0 to 1, how red each capsule is; by default as deep as it stands in another, see
            ``overlap_depths``, in parts of 3 cm.

    Raises:
        ValueError: a size, a frame number or a shape that does not fit.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size is {size} pixels, expected {SMALLEST} to {LARGEST}")
    frames = np.arange(motion.num_frames) if which is None else np.asarray(which, dtype=np.int64)
    if frames.ndim != 1 or len(frames) and not 0 <= frames.min() <= frames.max() < motion.num_frames:
        raise ValueError(f"frames {frames.tolist()} to draw, expected numbers from 0 to {motion.num_frames - 1}")
    pose = motion.pose(body)
    wanted = (motion.num_frames, len(body.capsules.joints))
    red = overlap_depths(body, *pose) / FULLY_RED if overlapping is None else np.asarray(overlapping, np.float64)
    if red.shape != wanted:
        raise ValueError(f"overlapping has shape {red.shape}, expected {wanted}")
    colors = _colors(motion, body, np.clip(red, 0, 1))
    return _draw(motion, body, pose, colors, frames, size, follow)


def overlap_depths(body: Body, joints: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """(T, C) metres: how deep each capsule stands in the one it is deepest in, of ``collision_pairs``.

    Args:
        body: whose capsules.
        joints, frames: the pose, (T, 24, 3) and (T, 24, 3, 3).
    """
    ends = torch.from_numpy(np.ascontiguousarray(capsule_ends(body, frames, joints)))
    pairs, count = collision_pairs(body), ends.shape[-3]
    axes = torch.arange(2 * count).reshape(count, 2)
    depths = penetration(ends.flatten(-3, -2), axes, torch.tensor(body.capsules.radii), pairs).depths
    deepest = depths.new_zeros(len(depths), count)
    for side in (0, 1):
        deepest.scatter_reduce_(1, pairs[:, side].expand(len(depths), -1), depths, "amax")
    return deepest.numpy()


def side_by_side(
    left: Iterable[np.ndarray], right: Iterable[np.ndarray], captions: tuple[str, str] = ("", "")
) -> Iterator[np.ndarray]:
    """Frames (H, W, 3) uint8 of two dances beside each other, with a caption each; where one ends before the other
    its last frame stays."""
    last: list[np.ndarray | None] = [None, None]
    for pair in zip_longest(left, right):
        last = [new if new is not None else old for new, old in zip(pair, last, strict=True)]
        if last[0] is None or last[1] is None:
            raise ValueError("no frame in one of two dances to be shown side by side")
        yield np.concatenate([captioned(picture, text) for picture, text in zip(last, captions, strict=True)], 1)


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """A picture (H, W, 3) uint8 with a line of text in its upper left corner."""
    if not text:
        return picture
    image = Image.fromarray(picture)
    height = max(10, picture.shape[0] // 20)
    place = (height // 2, height // 2)
    ImageDraw.Draw(image).text(place, text, font=ImageFont.load_default(height), fill=(240, 240, 240))
    return np.asarray(image)


def _colors(motion: Motion, body: Body, red: np.ndarray) -> np.ndarray:
    """(T, C, 3) of the capsules."""
    capsules = body.capsules.joints.tolist()
    colors = np.repeat(capsule_colors(body)[None], motion.num_frames, 0)
    for channel, joint in enumerate(CONTACT_JOINTS):
        stands = motion.contacts[:, channel, None]
        colors[:, capsules.index(joint)] += stands * (np.array(STANDING) - colors[:, capsules.index(joint)])
    return colors + red[..., None] * (np.array(OVERLAPPING) - colors)


@torch.no_grad()
def _draw(
    motion: Motion,
    body: Body,
    pose: tuple[np.ndarray, np.ndarray],
    colors: np.ndarray,
    frames: np.ndarray,
    size: int,
    follow: bool,
) -> Iterator[np.ndarray]:
    joints, turned = (array.astype(np.float64) for array in pose)
    ends = capsule_ends(body, turned, joints)
    stage = Stage.around(ends.reshape(len(ends), -1, 3), joints[:, 0], motion.fps, size, follow)
    floor, flesh = Floor(stage), flesh_of(body)
    intrinsics = torch.from_numpy(stage.intrinsics).float()
    for start in range(0, len(frames), _AT_ONCE):
        now = frames[start : start + _AT_ONCE]
        points = joints[now][:, flesh.joints] + (turned[now][:, flesh.joints] @ flesh.places[..., None])[..., 0]
        cloud = [
            torch.from_numpy(np.ascontiguousarray(array, np.float32))
            for array in gaussians(flesh, stage.place(points, now), colors[now])
        ]
        bodies = splat(*cloud, intrinsics, size)
        # How much of each pixel is the body: the same picture in white.
        covered = splat(cloud[0], cloud[1], torch.ones_like(cloud[2]), cloud[3], intrinsics, size)[:, :1]
        middles = stage.over_floor(ends[now].mean(2), now)
        behind = floor.draw(now, middles, ends[now].mean(2)[..., 2], body.capsules.radii)
        solid = torch.clamp((covered - _EDGE) / (1 - 2 * _EDGE), 0, 1).movedim(1, -1).numpy()
        bodies = (bodies / covered.clamp_min(_EDGE)).movedim(1, -1).numpy()
        pictures = behind + solid * (bodies - behind)
        yield from (np.clip(pictures, 0, 1) * 255).round().astype(np.uint8)
