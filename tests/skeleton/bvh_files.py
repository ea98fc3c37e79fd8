"""BVH files for tests: a person of 1.75 m in centimetres, left at +x, facing +z."""

from dataclasses import dataclass, replace

import numpy as np

ROTATIONS = ("Zrotation", "Xrotation", "Yrotation")
POSITIONS = ("Xposition", "Yposition", "Zposition")


@dataclass(frozen=True)
class Joint:
    """A joint of a file; ``end`` is the offset of its end site."""

    name: str
    parent: str | None
    offset: tuple[float, float, float]
    channels: tuple[str, ...] = ROTATIONS
    end: tuple[float, float, float] | None = None


def _limbs(side, out):
    return [
        Joint(f"{side}Shoulder", "Chest", (4 * out, 10, 0)),
        Joint(f"{side}Arm", f"{side}Shoulder", (14 * out, 0, 0)),
        Joint(f"{side}ForeArm", f"{side}Arm", (31 * out, 0, 0)),
        Joint(f"{side}Hand", f"{side}ForeArm", (25 * out, 0, 0), end=(18 * out, 0, 0)),
        Joint(f"{side}UpLeg", "Hips", (9 * out, -4, 0)),
        Joint(f"{side}Leg", f"{side}UpLeg", (0, -43, 0)),
        Joint(f"{side}Foot", f"{side}Leg", (0, -42, 0)),
        Joint(f"{side}ToeBase", f"{side}Foot", (0, -6, 13), end=(0, 0, 6)),
    ]


PERSON = [
    Joint("Hips", None, (0, 0, 0), POSITIONS + ROTATIONS),
    Joint("Spine", "Hips", (0, 14, 0)),
    Joint("Chest", "Spine", (0, 22, 0)),
    Joint("Neck", "Chest", (0, 14, 0)),
    Joint("Head", "Neck", (0, 10, 2), end=(0, 16, 0)),
    *_limbs("Left", 1),
    *_limbs("Right", -1),
]
HIPS_HEIGHT = 95.0


def transformed(joints, matrix):
    """The joints with their offsets (3,) turned or scaled by a (3, 3) matrix."""
    return [
        replace(
            joint, offset=tuple(matrix @ joint.offset), end=None if joint.end is None else tuple(matrix @ joint.end)
        )
        for joint in joints
    ]


def children(joints, name):
    return [joint for joint in joints if joint.parent == name]


def depth_first(joints, name=None):
    """The joints in the order in which a file names them."""
    for joint in children(joints, name):
        yield joint
        yield from depth_first(joints, joint.name)


def frame(joints, numbers):
    """A number per channel: that of ``numbers`` for (joint, channel), or what makes the person stand upright."""
    row = []
    for joint in depth_first(joints):
        for channel in joint.channels:
            default = HIPS_HEIGHT if (joint.parent, channel) == (None, "Yposition") else 0.0
            if channel in POSITIONS and joint.parent is not None:
                default = joint.offset[POSITIONS.index(channel)]
            row.append(numbers.get((joint.name, channel), default))
    return row


def bvh_text(joints, frames, frame_time="0.0333333"):
    """The file; ``frames`` are rows of numbers in the order of ``frame``."""
    lines = ["HIERARCHY"]

    def write(joint, depth):
        indent = "  " * depth
        lines.append(f"{indent}{'ROOT' if joint.parent is None else 'JOINT'} {joint.name}")
        lines.append(indent + "{")
        lines.append(f"{indent}  OFFSET {' '.join(map(str, joint.offset))}")
        lines.append(f"{indent}  CHANNELS {len(joint.channels)} {' '.join(joint.channels)}")
        for child in children(joints, joint.name):
            write(child, depth + 1)
        if joint.end is not None:
            lines.extend([f"{indent}  End Site", indent + "  {"])
            lines.extend([f"{indent}    OFFSET {' '.join(map(str, joint.end))}", indent + "  }"])
        lines.append(indent + "}")

    for root in children(joints, None):
        write(root, 0)
    lines += ["MOTION", f"Frames: {len(frames)}", f"Frame Time: {frame_time}"]
    lines += [" ".join(map(str, row)) for row in frames]
    return "\n".join(lines) + "\n"


def write(path, text):
    """The path, with text or bytes written to it."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def walk(joints, count=6, seed=0):
    """Frames of a person with every joint turned by some degrees, who moves all of them slowly."""
    rng = np.random.default_rng(seed)
    channels = [(joint.name, channel) for joint in joints for channel in joint.channels if channel not in POSITIONS]
    root = joints[0].name
    start, step = rng.normal(0, 15, len(channels)), rng.normal(0, 0.5, (count, len(channels)))
    rows = []
    for angles in start + step.cumsum(0):
        numbers = dict(zip(channels, angles, strict=True))
        numbers |= {(root, "Xposition"): rng.normal(0, 30), (root, "Zposition"): rng.normal(0, 30)}
        rows.append(frame(joints, numbers))
    return rows


def posed(joints, row):
    """Where each joint is, by name, of one frame, as scipy's rotations have it: joints one by one, no arrays."""
    from scipy.spatial.transform import Rotation

    row, places, turned = list(row), {}, {}
    for joint in depth_first(joints):
        offset, turn = np.array(joint.offset, dtype=float), Rotation.identity()
        for channel in joint.channels:
            number = row.pop(0)
            if channel in POSITIONS:
                offset[POSITIONS.index(channel)] = number
            else:
                turn = turn * Rotation.from_euler(channel[0], number, degrees=True)
        above = turned.get(joint.parent, Rotation.identity())
        places[joint.name] = places.get(joint.parent, np.zeros(3)) + above.apply(offset)
        turned[joint.name] = above * turn
        if joint.end is not None:
            places[joint.name + " End"] = places[joint.name] + turned[joint.name].apply(joint.end)
    return places
