"""The body for MuJoCo, as MJCF text: https://mujoco.readthedocs.io/en/stable/XMLreference.html."""

from collections.abc import Mapping
from xml.etree import ElementTree

import numpy as np

from skeletonllm.dance.body.collisions import excluded_pairs
from skeletonllm.dance.body.hinges import GAINS, LIMB_ORDER, hinge_axes, hinge_ranges, kind_of
from skeletonllm.dance.body.proportions import MASS
from skeletonllm.dance.body.tree import Body
from skeletonllm.skeleton.topology import ROOT

TIMESTEP = 1 / 120
# The damping of a servo as a share of its stiffness, in seconds.
DAMPING = 0.1
# Rotor inertia in kg m^2, without which light hands and toes on stiff servos are unstable at this timestep.
ARMATURE = 0.02
# Sliding, torsional (metres) and rolling (metres) friction of skin, floor and shoes.
FRICTION = (1.0, 0.005, 0.0001)
_AXES = {"x": "1 0 0", "y": "0 1 0", "z": "0 0 1"}


def build_mjcf(body: Body, gains: Mapping[str, float] = GAINS, timestep: float = TIMESTEP) -> str:
    """A model of the body on a floor at z = 0: a free root, and for every other joint three hinges with servos.

    Bodies have the names of the joints, hinges and servos those names and an axis (``left_knee_x``). Degrees of freedom
    and servos stand in the order of ``hinges.LIMB_ORDER``, so that ``qpos[7:]`` of ``pose_to_qpos`` is the target of
    the servos, ``ctrl``. ``excluded_pairs`` never touch.

    Args:
        gains: Nm per radian of the servos by the kind of joint, for a body of 70 kg; a heavier body has stiffer ones.
        timestep: seconds.

    Raises:
        ValueError: a gain is missing.
    """
    missing = sorted({kind_of(name) for name in body.names[1:]} - set(gains))
    if missing:
        raise ValueError(f"no gains for {', '.join(missing)}")
    top = ElementTree.Element("mujoco", model="dancer")
    _add(top, "compiler", angle="radian", autolimits="true")
    _add(top, "option", timestep=_numbers(timestep), integrator="implicitfast")
    default = _add(top, "default")
    _add(default, "geom", friction=_numbers(*FRICTION))
    _add(default, "joint", armature=_numbers(ARMATURE))
    world = _add(top, "worldbody")
    _add(world, "light", pos="0 0 4", dir="0 0 -1")
    _add(world, "geom", name="floor", type="plane", size="0 0 1")
    boxes = {joint: index for index, joint in enumerate(body.boxes.joints.tolist())}
    elements = {ROOT: world}
    for joint in LIMB_ORDER:
        name, parent = body.names[joint], body.parents[joint]
        place = (0.0, 0.0, body.standing_height) if parent == ROOT else body.offsets[joint]
        element = elements[joint] = _add(elements[parent], "body", name=name, pos=_numbers(*place))
        if parent == ROOT:
            _add(element, "freejoint", name="root")
        else:
            for axis, limits in zip(hinge_axes(name), hinge_ranges(name), strict=True):
                _add(element, "joint", name=f"{name}_{axis}", axis=_AXES[axis], range=_numbers(*limits))
        _add(element, "geom", name=name, mass=_numbers(body.masses[joint]), **_shape(body, joint, boxes.get(joint)))
    contact = _add(top, "contact")
    for first, second in excluded_pairs(body):
        _add(contact, "exclude", body1=body.names[first], body2=body.names[second])
    actuator = _add(top, "actuator")
    for joint in LIMB_ORDER[1:]:
        name = body.names[joint]
        gain = gains[kind_of(name)] * body.mass / MASS
        for axis in hinge_axes(name):
            hinge = f"{name}_{axis}"
            _add(actuator, "position", name=hinge, joint=hinge, kp=_numbers(gain), kv=_numbers(DAMPING * gain))
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode")


def _shape(body: Body, joint: int, box: int | None) -> dict[str, str]:
    if box is not None:
        return {
            "type": "box",
            "pos": _numbers(*body.boxes.centres[box]),
            "size": _numbers(*body.boxes.half_sizes[box]),
        }
    start, end, radius = (values[joint] for values in body.capsules[1:])
    if np.array_equal(start, end):
        return {"type": "sphere", "pos": _numbers(*start), "size": _numbers(radius)}
    return {"type": "capsule", "fromto": _numbers(*start, *end), "size": _numbers(radius)}


def _add(parent: ElementTree.Element, tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, tag, attributes)


def _numbers(*values: float) -> str:
    # All digits: MuJoCo's places have to agree with ours.
    return " ".join(repr(float(value)) for value in values)
