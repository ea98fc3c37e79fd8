"""What Skeleton2Stage (arXiv 2602.13778) reports, as a reference beside ours. None of it was measured with this code.

Their dances are of AIST++ (20 seconds, 10 songs), on the mesh of SMPL: absolute numbers cannot be compared with ours,
changes with care. Printed are the rows that ask what ours ask.
"""

from dataclasses import dataclass

SOURCE = "Skeleton2Stage (arXiv 2602.13778)"


@dataclass(frozen=True)
class PublishedTable:
    """``rows`` of cells, the head first."""

    title: str
    rows: tuple[tuple[str, ...], ...]


TABLES = (
    PublishedTable(
        "Table I, AIST++",
        (
            ("method", "pen. rate", "PFC", "FGD", "BAS", "FID k/g", "Div k/g"),
            ("EDGE", "176.44", "0.8715", "11.8547", "0.2847", "61.67/20.77", "2.03/3.79"),
            ("theirs, from EDGE", "90.38", "0.3361", "2.5153", "0.2991", "63.59/24.78", "1.95/4.16"),
            ("PAMD", "142.49", "0.9557", "14.6663", "0.3026", "56.90/19.87", "2.50/3.82"),
            ("FACT (freezes)", "97.98", "1.2125", "19.8958", "0.2380", "69.04/19.63", "3.07/6.87"),
            ("Bailando", "176.36", "1.5466", "50.5418", "0.2320", "26.99/10.25", "5.83/7.30"),
            ("Bailando++", "130.10", "1.9124", "49.7011", "0.2383", "21.71/9.66", "6.63/7.01"),
            ("recorded dances", "135.27", "1.4699", "4.9451", "0.2292", "19.47/9.33", "8.72/7.77"),
        ),
    ),
    PublishedTable(
        "Table II, beside projection (PhysDiff)",
        (
            ("method", "pen. rate", "PFC", "FGD", "success, %"),
            ("EDGE", "176.44", "0.8715", "11.8547", "100"),
            ("projected once", "115.65", "1.6240", "11.7289", "95"),
            ("projected four times", "88.81", "3.7823", "34.6713", "45"),
            ("theirs", "90.38", "0.3361", "2.5153", "100"),
        ),
    ),
    PublishedTable(
        "Table IV, motion magnitude",
        (
            ("EDGE", "FACT", "theirs without anti-freezing", "theirs", "recorded dances"),
            ("0.4744", "0.2148", "0.3362", "0.4670", "0.4881"),
        ),
    ),
    PublishedTable(
        "Table V, what guidance and the FGD reward do",
        (
            ("method", "PFC", "FGD"),
            ("EDGE", "0.8715", "11.8547"),
            ("theirs without FGD reward and guidance", "0.8728", "11.1405"),
            ("theirs without guidance", "0.7928", "10.6357"),
            ("theirs", "0.3361", "2.5153"),
            ("recorded dances", "1.4699", "4.9451"),
        ),
    ),
)

CHANGES = {
    "penetration_rate": (176.44, 90.38),
    "physical_foot_contact": (0.8715, 0.3361),
    "foot_ground_distance": (11.8547, 2.5153),
    "motion_magnitude": (0.4744, 0.4670),
    "beat_alignment_music": (0.2847, 0.2991),
}
"""By the name of our measure: of EDGE, and of what their fine-tuning, guidance and post-processing made of it."""


def change_percent(name: str) -> float:
    """By how many percent theirs is another than EDGE."""
    before, after = CHANGES[name]
    return 100 * (after / before - 1)
