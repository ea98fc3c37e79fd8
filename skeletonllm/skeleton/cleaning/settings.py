"""What cleaning takes for wrong."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class CleaningSettings:
    """Limits of what a sensor, an estimator or a body may do. The defaults leave motion capture as it is.

    Args:
        min_confidence: joints of which an estimator was less sure are unknown. 0 keeps all. 0.05 is what OpenPose
            itself does not draw.
        jump_seconds: joints thrown out of their path for up to so long are outliers, two frames at least. 0.067 s are
            two frames of a Kinect; what lasts longer can be a true movement.
        jump_metres: how far noise may throw a joint. Hands seen by a Kinect jump by up to 0.1 m. Infinity keeps all.
        jump_acceleration: m/s^2 of a true movement. In clips of kicks, jumps and dances by motion capture, hands and
            feet reach 250.
        bone_factor: a bone that is so many times longer or shorter than it is at the median has a misplaced end.
            Infinity keeps all.
        bone_metres: and that differs from it by more than this. What a Kinect makes of a shoulder or a foot that is
            hidden is off by less.
        gap_seconds: joints unknown for so long, or shorter, are put on the straight line between where they were and
            where they come back. 0 fills none. Half a wave of the hand takes 0.25 s; over a longer gap the line would
            cut off a movement.
        smoothing_seconds: how far the window of a Savitzky-Golay filter of second order reaches to either side. 0, the
            default, does not smooth: noise is for the model to see through, and fast movements would lose height.

    Raises:
        ValueError: a limit below zero or no number, or a bone factor that is not above 1.
    """

    min_confidence: float = 0.05
    jump_seconds: float = 0.067
    jump_metres: float = 0.1
    jump_acceleration: float = 300.0
    bone_factor: float = 1.5
    bone_metres: float = 0.15
    gap_seconds: float = 0.25
    smoothing_seconds: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if not value >= 0:
                raise ValueError(f"cleaning: {field.name} is {value}, expected zero or more")
        if not self.bone_factor > 1:
            raise ValueError(f"cleaning: bone_factor is {self.bone_factor}, expected more than 1")
