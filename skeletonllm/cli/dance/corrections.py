"""What is asked on the command line to be made better while dances come out of the noise."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skeletonllm.dance.guidance import Correction, Projection

FORMS = ("rewards", "paper")
_GROUND = "ground"


def read_corrections(
    guide: list[str], form: str, guide_steps: int | None, rewards: Path | None, project: int, steps: int
) -> list["Correction"]:
    """Guidance, then projection, as the options of ``dance generate`` ask for them.

    Args:
        guide: NAME or NAME=WEIGHT of each reward.
        form: of the guidance, one of ``FORMS``.
        guide_steps: at how many of the last steps; None: at one.
        rewards: a file that registers more rewards.
        project: at how many of the last steps; 0: never.
        steps: of sampling.

    Raises:
        ValueError: what makes no sense, alone or together.
        OSError: no such file.
    """
    from skeletonllm.dance.guidance import FloorGuidance, Projection, RewardGuidance
    from skeletonllm.dance.rewards import read_rewards

    if form not in FORMS:
        raise ValueError(f"--guide-form {form}: expected {' or '.join(FORMS)}")
    if not guide and form == FORMS[0]:
        for option, given in (("--guide-steps", guide_steps is not None), ("--rewards", rewards is not None)):
            if given:
                raise ValueError(f"{option} says nothing without --guide")
    for option, asked in (("--guide-steps", guide_steps or 0), ("--project", project)):
        if asked > steps:
            raise ValueError(f"{option} {asked}: there are {steps} steps (--steps)")
    if rewards is not None:
        read_rewards(rewards)
    weights = {}
    for given in guide:
        name, equals, weight = given.partition("=")
        if name in weights:
            raise ValueError(f"--guide {given}: {name} is named twice")
        weights[name] = _weight(given, weight) if equals else 1.0
    found: list[Correction] = []
    if form == "paper":
        if weights not in ({}, {_GROUND: 1.0}) or guide_steps is not None or rewards is not None:
            raise ValueError(
                "--guide-form paper is the floor's published guidance at the last step: expected no other reward than "
                f"{_GROUND}, no weight, no --guide-steps and no --rewards"
            )
        found.append(FloorGuidance())
    elif weights:
        found.append(RewardGuidance(weights, steps=guide_steps or 1))
    if project:
        found.append(Projection(project))
    return found


def describe_projection(projection: "Projection") -> str:
    """How many dances the simulated body got through, and how long that took."""
    results = projection.results
    dances = {result.dance for result in results}
    fell = {result.dance for result in results if not result.succeeded}
    left = f"; {len(fell)} it did not, and they stay as the model made them then" if fell else ""
    return (
        f"a simulated body got through {len(dances) - len(fell)} of {len(dances)} dances, {len(results)} simulations "
        f"of {projection.seconds / len(results):.1f} s{left}"
    )


def _weight(given: str, weight: str) -> float:
    try:
        return float(weight)
    except ValueError as error:
        raise ValueError(f"--guide {given}: the weight is {weight!r}, expected a number") from error
