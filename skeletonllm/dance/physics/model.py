"""The body in a simulator: the MuJoCo model of ``body.build_mjcf`` with a hand that may help, and with sensors.

The hand is a wrench at the pelvis: six servos that pull it towards a mocap body which moves as the reference does. What
they can do is bounded, so that balance is kept for a motion that a skilled person would balance, and no more.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from skeletonllm.dance.body import GAINS, Body, build_mjcf

if TYPE_CHECKING:
    import mujoco

GRAVITY = 9.81
FEET = ("left_ankle", "right_ankle", "left_foot", "right_foot")
"""The bodies whose contacts with the floor are sensed, in the order of the contacts of a ``Motion``."""
SERVOS = {kind: 3.0 * gain for kind, gain in GAINS.items()}
"""Newton metres per radian of the hinges, see ``body.GAINS``: stiffer than those that a trained policy steers, as
nobody corrects here what a joint gives way."""
WRENCH = ("force_x", "force_y", "force_z", "torque_x", "torque_y", "torque_z")
"""The servos of the pelvis, after those of the hinges."""
# A body on the servos swings with this many radians a second and without overshoot, were it rigid.
_STIFFNESS = 10.0
WRENCH_DAMPING = 2 / _STIFFNESS
"""Seconds: the damping of the servos of the pelvis as a share of their stiffness."""
# Radius of gyration of a standing person about a horizontal axis, as a share of the height of the pelvis.
_GYRATION = 0.4
_REFERENCE = "reference"
# Sensor values of each foot: whether it touches the floor, and the force on it.
_PER_FOOT = 4
TOUCHING = slice(len(WRENCH), len(WRENCH) + _PER_FOOT * len(FEET))
SELF = TOUCHING.stop
"""Where among the values of the sensors the feet are, and the number of contacts of the body with itself; the first
six are the wrench."""


@dataclass(frozen=True)
class Physics:
    """What holds in the simulated world.

    Args:
        self_collision: whether limbs stop each other. Those of ``body.excluded_pairs`` never do.
        force_share: largest force along each axis of the pelvis by which the body is helped, as a share of its weight,
            for a reference that demands nothing more (``reference.demand``). Zero: nobody helps.
        torque_share: the same of the torque, as a share of weight times the height of the standing pelvis.

    Raises:
        ValueError: a share that is negative or not finite.
    """

    self_collision: bool = True
    force_share: float = 0.3
    torque_share: float = 0.15

    def __post_init__(self):
        for name, share in (("force_share", self.force_share), ("torque_share", self.torque_share)):
            if not (np.isfinite(share) and share >= 0):
                raise ValueError(f"{name} is {share}, expected zero or more")

    @classmethod
    def with_force(cls, share: float) -> "Physics":
        """The standard world with more or less help, force and torque alike."""
        return cls(force_share=share, torque_share=cls.torque_share * share / cls.force_share)

    def caps(self, body: Body) -> np.ndarray:
        """(6,) newtons and newton metres: the bounds of ``WRENCH``."""
        weight = body.mass * GRAVITY
        return np.repeat([self.force_share * weight, self.torque_share * weight * body.standing_height], 3)


def simulation_mjcf(body: Body, self_collision: bool = True) -> str:
    """MJCF text of ``build_mjcf`` and, besides: a mocap body ``reference``, the servos ``WRENCH`` between it and the
    pelvis, not bounded yet, and sensors of the wrench, of the feet on the floor and of contacts within the body."""
    top = ElementTree.fromstring(build_mjcf(body, SERVOS))
    option, world = top.find("option"), top.find("worldbody")
    # A state that is lost stays lost, and is seen, instead of being set back to the T-pose.
    ElementTree.SubElement(option, "flag", autoreset="disable")
    pelvis = world.find("body")
    ElementTree.SubElement(pelvis, "site", name="pelvis")
    reference = ElementTree.SubElement(world, "body", name=_REFERENCE, mocap="true")
    ElementTree.SubElement(reference, "site", name=_REFERENCE)
    if not self_collision:
        for geom in pelvis.iter("geom"):
            geom.set("conaffinity", "0")
    along = body.mass * _STIFFNESS**2
    about = along * (_GYRATION * body.standing_height) ** 2
    actuator, sensor = top.find("actuator"), ElementTree.SubElement(top, "sensor")
    for number, name in enumerate(WRENCH):
        gain = along if number < 3 else about
        gear = " ".join("1" if place == number else "0" for place in range(len(WRENCH)))
        ElementTree.SubElement(
            actuator, "position", name=name, site="pelvis", refsite=_REFERENCE, gear=gear,
            kp=repr(gain), kv=repr(WRENCH_DAMPING * gain),
        )  # fmt: skip
        ElementTree.SubElement(sensor, "actuatorfrc", actuator=name)
    for foot in FEET:
        ElementTree.SubElement(sensor, "contact", geom1="floor", geom2=foot, data="found force", reduce="netforce")
    ElementTree.SubElement(sensor, "contact", subtree1="pelvis", subtree2="pelvis", data="found", num="1")
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode")


def build_model(body: Body, physics: Physics, demand: tuple[float, float] = (1.0, 1.0)) -> "mujoco.MjModel":
    """The model of one body for one reference.

    Args:
        demand: factors of the bounds of force and torque, see ``reference.demand``.

    Raises:
        ValueError: a body that MuJoCo refuses; the message is its reason.
    """
    import copy

    model = copy.copy(_compiled(body, physics.self_collision))
    caps = physics.caps(body) * np.repeat(demand, 3)
    model.actuator_forcerange[-len(WRENCH) :] = np.stack([-caps, caps], -1)
    model.actuator_forcelimited[-len(WRENCH) :] = True
    return model


@lru_cache(maxsize=64)
def _compiled(body: Body, self_collision: bool) -> "mujoco.MjModel":
    import mujoco

    return mujoco.MjModel.from_xml_string(simulation_mjcf(body, self_collision))
