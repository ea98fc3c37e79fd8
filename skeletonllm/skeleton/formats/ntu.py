"""NTU RGB+D ``.skeleton`` text (Kinect v2): frames of bodies of 25 joints, each body with the sensor's id."""

import re
from math import prod
from pathlib import Path

import numpy as np

from skeletonllm.skeleton.cleaning import momentary_jumps, motion, track_bodies, why_spurious
from skeletonllm.skeleton.formats.common import (
    MAX_METRES,
    Format,
    SkeletonFormatError,
    build_sequence,
    check_size,
    first_lines,
    is_text,
)
from skeletonllm.skeleton.formats.ntu_text import Detections, parse
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import KINECT_V2

FPS = 30.0
NOT_TRACKED, TRACKED = 0, 2
IDENTITY = (1.0, 0.0, 0.0, 0.0)

# Classes 1 to 60 in the wording of the published code, 61 to 120 in that of the data set's own list
# (https://github.com/shahroudy/NTURGB-D, README).
LABELS = tuple(
    "drink water; eat food; brush teeth; brush hair; drop something; pick up; throw; sit down; stand up; clapping; "
    "reading; writing; tear up paper; put on jacket; take off jacket; put on shoe; take off shoe; put on glasses; "
    "take off glasses; put on hat/cap; take off hat/cap; cheer (raise arms); hand waving; kicking the air/something; "
    "reach into pocket; hopping; jump up; phone call; play with phone/tablet; type on keyboard; "
    "point at something/directions; take a selfie; check time (from watch); rub two hands; bow (bend forward); "
    "shake head; wipe face; salute; pray with hands together; cross hands in front; sneezing/cough; staggering; "
    "falling down; headache; chest pain; back pain; neck pain; nausea/vomiting; fan self; punch/slap someone; "
    "kicking someone; pushing someone; pat someone on the back; point at someone; hug each other; giving object; "
    "touch someone's pocket; shaking hands; walking towards each other; walking apart from each other; "
    "put on headphone; take off headphone; shoot at the basket; bounce ball; tennis bat swing; "
    "juggling table tennis balls; hush; flick hair; thumb up; thumb down; make ok sign; make victory sign; "
    "staple book; counting money; cutting nails; cutting paper (using scissors); snapping fingers; open bottle; "
    "sniff (smell); squat down; toss a coin; fold paper; ball up paper; play magic cube; apply cream on face; "
    "apply cream on hand back; put on bag; take off bag; put something into a bag; take something out of a bag; "
    "open a box; move heavy objects; shake fist; throw up cap/hat; hands up (both hands); cross arms; arm circles; "
    "arm swings; running on the spot; butt kicks (kick backward); cross toe touch; side kick; yawn; stretch oneself; "
    "blow nose; hit other person with something; wield knife towards other person; "
    "knock over other person (hit with body); grab other person's stuff; shoot at other person with a gun; "
    "step on foot; high-five; cheers and drink; carry something with other person; take a photo of other person; "
    "follow other person; whisper in other person's ear; exchange things with other person; "
    "support somebody with one's hand; finger-guessing game (playing rock-paper-scissors)".split("; ")
)


def read(path: Path, rotations: bool = False) -> SkeletonSequence:
    """Read one recording; the persons stand in the order of how long, then how much, they move.

    Args:
        path: the file.
        rotations: whether to read the sensor's orientations of the joints too; nothing draws them.
    """
    detections = parse(path, quaternions=rotations)
    if not detections.body_ids:
        found = f"no body in any of {detections.num_frames} frames"
        raise SkeletonFormatError(path, "all frames", found, "at least one body")
    positions, state = detections.positions, detections.state
    near = (np.abs(positions) <= MAX_METRES).all(-1)  # False for NaN too
    usable = (state != NOT_TRACKED) & near & (positions != 0).any(-1)
    safe = np.where(usable[..., None], positions, 0.0)
    centres = safe.sum(1) / np.maximum(usable.sum(1), 1)[:, None]
    persons = track_bodies(detections.frames, detections.body_ids, centres, FPS)
    members, notes = _select(detections, persons, safe, usable, state == TRACKED)
    shape = (detections.num_frames, len(members), KINECT_V2.num_joints)
    # Few lines can name many persons and many frames; the arrays hold every person in every frame.
    check_size(path, prod(shape) * 3 * np.dtype(np.float32).itemsize, f"{len(members)} persons in {shape[0]} frames")
    joints, valid = np.zeros((*shape, 3)), np.zeros(shape, dtype=bool)
    turns = np.tile(np.array(IDENTITY, dtype=np.float32), (*shape, 1)) if rotations else None
    for person, member in enumerate(members):
        frames = detections.frames[member]
        jumps = momentary_jumps(frames, centres[member], FPS)
        if jumps.any():
            notes.append(f"person {person} masked in {jumps.sum()} frames: jumped away for a moment")
        joints[frames, person] = positions[member]
        valid[frames, person] = (state[member] != NOT_TRACKED) & ~jumps[:, None]
        if turns is not None:
            turns[frames, person] = _unit_quaternions(detections.quaternions[member])
    action = re.match(r"S\d{3}C\d{3}P\d{3}R\d{3}A(\d{3})", path.name)
    number = int(action.group(1)) if action else 0
    return build_sequence(
        path,
        joints,
        FPS,
        KINECT_V2,
        valid=valid,
        zero_is_missing=True,
        rotations=turns,
        label=LABELS[number - 1] if 1 <= number <= len(LABELS) else None,
        notes=(
            "30 frames per second assumed (nominal for Kinect v2; the file does not say)",
            "metres in the camera frame, Y up, Z away from the camera; joints in the order of Kinect v2",
            *notes,
        ),
    )


def _select(
    detections: Detections, persons: np.ndarray, positions: np.ndarray, usable: np.ndarray, tracked: np.ndarray
) -> tuple[list[np.ndarray], list[str]]:
    """The detections of each real person, the main persons first, and a note on each body that was dropped."""
    order = np.argsort(persons, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(persons[order])) + 1)
    longest = max(map(len, members))
    reasons = [why_spurious(positions[m], usable[m], tracked[m], FPS, longest) for m in members]
    kept = [m for m, reason in zip(members, reasons, strict=True) if reason is None]
    notes = []
    if kept:
        for member, reason in zip(members, reasons, strict=True):
            if reason is not None:
                notes.append(f"body {detections.body_ids[member[0]]} dropped: {reason}")
    else:
        # Somebody was recorded: whoever has most usable joints.
        kept = [max(members, key=lambda m: usable[m].sum())]
        if len(members) > 1:
            notes.append(f"{len(members) - 1} bodies dropped: none looks like a person, the best of them was kept")
    longest = max(map(len, kept))
    kept.sort(key=lambda m: (2 * len(m) < longest, -motion(positions[m], usable[m])))
    return kept, notes


def _unit_quaternions(quaternions: np.ndarray) -> np.ndarray:
    """(..., 4) wxyz to unit length; the sensor writes zeros for joints without an orientation: identity."""
    norm = np.linalg.norm(quaternions, axis=-1, keepdims=True)
    known = np.isfinite(norm) & (norm > 1e-6)
    return np.where(known, quaternions / np.where(known, norm, 1.0), IDENTITY).astype(np.float32)


def sniff(head: bytes, path: Path) -> bool:
    lines = first_lines(head)[:2]
    return is_text(head) and all(len(line) == 1 and line[0].isdigit() for line in lines)


FORMAT = Format("ntu", "NTU RGB+D .skeleton text, 25 joints per body", (".skeleton",), sniff, read)
