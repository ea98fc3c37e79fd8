"""Anny (Bregier et al. 2026), a body model whose data are in the public domain (CC0), from the package ``anny``."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch

from skeletonllm.dance.body.adapters.mesh import BodyMesh, SkinnedMesh, t_pose_offsets
from skeletonllm.dance.body.adapters.stretched import stretched_body
from skeletonllm.dance.body.tree import NUM_JOINTS, Body
from skeletonllm.dance.body.triangles import crossing_triangles
from skeletonllm.dance.codecs.inverse import swing
from skeletonllm.skeleton.kinematics import normalize
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.topology import ROOT

# The bone of Anny's that begins at each of our joints. Sides are added.
_BONES = {
    "pelvis": "root", "spine": "spine03", "spine_upper": "spine02", "chest": "spine01", "neck": "neck01",
    "head": "head", "collar": "clavicle", "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist",
    "hand": "finger3-1", "hip": "upperleg01", "knee": "lowerleg01", "ankle": "foot", "foot": "toe2-1",
}  # fmt: skip
# Anny stands with its arms half down and its legs apart: what turns into the T-pose, along which bone, to where.
_T_POSE = {
    **{
        joint: (child, (1.0, 0.0, 0.0))
        for joint, child in (("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "hand"))
    },
    **{joint: (child, (0.0, 0.0, -1.0)) for joint, child in (("hip", "knee"), ("knee", "ankle"))},
}
_AS_ABOVE = ("hand",)
_AVERAGE = 0.5


def anny_mesh(phenotype: Mapping[str, float] | None = None) -> BodyMesh:
    """Anny's body and skin. The first time it takes minutes, while Anny reads its data; it keeps them.

    Skin follows the joints by linear blending; spine and fingers turn with the nearest of our joints. Triangles that
    cross each other as the body is modelled, those of teeth and eyes, are left out.

    Args:
        phenotype: some of Anny's numbers from 0 to 1, such as ``gender`` or ``height``; all others are 0.5.

    Raises:
        ImportError: ``anny`` is not installed.
        ValueError: an unknown phenotype, or a number outside 0 to 1.
    """
    try:
        import anny
    except ImportError as error:
        raise ImportError("the body model Anny needs the package anny: pip install anny") from error
    model = _model(anny.Anny)
    chosen = dict.fromkeys(model.phenotype_labels, _AVERAGE)
    for name, value in (phenotype or {}).items():
        if name not in chosen or not 0 <= value <= 1:
            raise ValueError(f"phenotype {name} = {value}, expected 0 to 1 for one of {', '.join(chosen)}")
        chosen[name] = value
    with torch.no_grad():
        found = model(phenotype_kwargs=chosen)
    rest = found["rest_vertices"][0].double().numpy()
    heads = dict(zip(model.bone_labels, found["rest_bone_poses"][0, :, :3, 3].double().numpy(), strict=True))
    names = [_bone(joint) for joint in SMPL_24.joints]
    joints = np.stack([heads[name] for name in names])
    turns = _turns(joints)
    offsets = t_pose_offsets(joints, turns, SMPL_24.parents)
    weights = np.zeros((len(rest), NUM_JOINTS))
    moves_with = _moves_with(list(model.bone_labels), list(model.bone_parents), names)
    np.add.at(
        weights,
        (np.arange(len(rest))[:, None], moves_with[model.vertex_bone_indices.numpy()]),
        model.vertex_bone_weights.double().numpy(),
    )
    weights /= weights.sum(1, keepdims=True)
    faces = model.faces.numpy().astype(np.int64)
    # Teeth and eyes stand in the flesh around them, which is no fault of a dance.
    faces = np.delete(faces, np.unique(crossing_triangles(rest, faces)), axis=0)
    bare = SkinnedMesh(stretched_body(offsets, -1.0), faces, rest, joints, turns, weights)
    sole = float(bare.standing()[:, 2].min())
    return SkinnedMesh(stretched_body(offsets, sole), faces, rest, joints, turns, weights)


def body_from_anny(phenotype: Mapping[str, float] | None = None) -> Body:
    """The body alone, see ``anny_mesh``."""
    return anny_mesh(phenotype).body


@cache
def _model(make):
    return make(skinning_method="lbs")


def _bone(joint: str) -> str:
    side, _, kind = joint.partition("_") if joint.startswith(("left_", "right_")) else ("", "", joint)
    return _BONES[kind] + ("." + side[0].upper() if side else "")


def _moves_with(labels: list[str], parents: list[int], names: list[str]) -> np.ndarray:
    """(bones,): for each bone the joint of ours whose bone it is, or hangs on."""
    found = np.zeros(len(labels), np.int64)
    for bone in range(len(labels)):
        above = bone
        while above != ROOT and labels[above] not in names:
            above = parents[above]
        found[bone] = names.index(labels[above]) if above != ROOT else 0
    return found


def _turns(joints: np.ndarray) -> np.ndarray:
    """(24, 3, 3) from Anny's stance, joints (24, 3), into the T-pose."""
    turns = np.broadcast_to(np.eye(3), (NUM_JOINTS, 3, 3)).copy()
    for joint, name in enumerate(SMPL_24.joints):
        side, _, kind = name.partition("_")
        if kind in _T_POSE:
            child, towards = _T_POSE[kind]
            bone = joints[SMPL_24.index(f"{side}_{child}")] - joints[joint]
            mirror = [1.0, 1.0, 1.0] if side == "left" else [-1.0, 1.0, 1.0]
            turns[joint] = swing(normalize(bone), np.multiply(towards, mirror))
        elif kind in _AS_ABOVE:
            turns[joint] = turns[SMPL_24.parents[joint]]
    return turns
