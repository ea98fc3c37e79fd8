"""Figures that others published, as references beside ours. None of them was measured with this code.

They are of 8-billion-parameter backbones trained on NTU RGB+D and HumanML3D, so they do not compare with what a smaller
model, other data or another split gives. Only what the paper's authors themselves published is here; what others
wrote of the paper contradicts itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

AUTHORS = "SkeletonLLM (arXiv 2603.18003), its authors to reviewers, github.com/wangzy01/SkeletonLLM_Rebuttal"


@dataclass(frozen=True)
class Published:
    """A figure in percent.

    Args:
        data: of the test, by our name of the source.
        setting: split or protocol, in words.
        method: whose figure it is.
        value: percent, higher is better.
        source: where it was published.
        protocol: by our name, where we have it.
        measure: what is counted.
    """

    data: str
    setting: str
    method: str
    value: float
    source: str
    protocol: str | None = None
    measure: str = "accuracy"


def _open_vocabulary() -> list[Published]:
    splits = {"ntu60": ("55/5", "48/12", "40/20", "30/30"), "ntu120": ("110/10", "96/24", "80/40", "60/60")}
    rows: dict[str, dict[str, tuple[float | None, ...]]] = {
        "SkeletonLLM": {
            "ntu60": (87.37, 64.72, 46.15, 37.84), "ntu120": (76.05, 67.20, 44.37, 34.94),
        },
        "TDSM": {"ntu60": (86.49, 56.03, 36.09, 25.88), "ntu120": (None, None, None, 27.21)},
        "InternVL3-8B, fixed 3D + velocity pictures": {"ntu60": (None, 56.28, None, None)},
    }  # fmt: skip
    return [
        Published(
            data, f"unseen classes, {name}, cross-subject", method, value, AUTHORS, f"{data}/{name.replace('/', '-')}"
        )
        for method, by_data in rows.items()
        for data, values in by_data.items()
        for name, value in zip(splits[data], values, strict=True)
        if value is not None
    ]  # fmt: skip


_TRANSFER = [
    Published(data, setting, method, value, AUTHORS)
    for data, setting, method, value in (
        ("nw_ucla", "trained on NTU-60, none on the target", "SkeletonLLM", 60.38),
        ("nw_ucla", "trained on NTU-60, none on the target", "TDSM", 43.19),
        ("nw_ucla", "trained on NTU-60, none on the target", "SKI-LVLM", 31.87),
        ("nw_ucla", "trained on NTU-60, none on the target", "MotionGPT", 10.35),
        ("nw_ucla", "trained on HumanML3D, none on the target", "SkeletonLLM", 56.73),
        ("ntu60", "trained on HumanML3D, tested on 17 joints in 2-D", "SkeletonLLM", 40.36),
    )
]

_STAGES = [
    Published("ntu60", f"unseen classes, 48/12, {stages}", method, value, AUTHORS, "ntu60/48-12")
    for method, stages, value in (
        ("fixed 3D + velocity pictures", "stages 1 and 4", 56.18),
        ("fixed 3D + velocity pictures", "all four stages", 58.77),
        ("DrAction", "stages 1 and 4", 62.09),
        ("DrAction", "all four stages", 64.72),
    )
]

_QUESTIONS = [
    Published("humanml3d", "captions, single checkpoint", "SkeletonLLM", 37.28, AUTHORS, measure="BERTScore"),
    Published("skeleton_qa", "temporal questions, single checkpoint", "SkeletonLLM", 68.4, AUTHORS),
    Published("skeleton_qa", "causal questions, single checkpoint", "SkeletonLLM", 64.7, AUTHORS),
]

PUBLISHED: list[Published] = [*_open_vocabulary(), *_STAGES, *_TRANSFER, *_QUESTIONS]

# Robustness on NTU-60, 48/12: corruption, by our name -> method -> (level, percent).
PUBLISHED_ROBUSTNESS: dict[str, dict[str, list[tuple[str, float]]]] = {
    "joint_dropout": {
        "SkeletonLLM": [("10 %", 63.44), ("20 %", 61.49), ("30 %", 58.88), ("50 %", 52.37)],
        "InternVL3-8B, fixed pictures": [("10 %", 53.58), ("20 %", 49.89), ("30 %", 45.02), ("50 %", 37.34)],
        "TDSM": [("10 %", 48.91), ("20 %", 43.24), ("30 %", 35.13), ("50 %", 22.45)],
    },
    "noise": {
        "SkeletonLLM": [("2 cm", 63.83), ("5 cm", 61.71), ("10 cm", 56.62)],
        "InternVL3-8B, fixed pictures": [("2 cm", 54.79), ("5 cm", 51.34), ("10 cm", 44.71)],
        "TDSM": [("2 cm", 54.44), ("5 cm", 49.87), ("10 cm", 42.03)],
    },
    "topology": {"SkeletonLLM": [("20 joints", 61.84), ("17 joints", 58.91), ("13 joints", 52.37)]},
}


def published_on(data: str | None, protocol: str | None = None) -> Sequence[Published]:
    """Figures of a source; those of one protocol if we were asked by it, and of no other where it is the usual one."""
    own = [figure for figure in PUBLISHED if figure.data == data]
    return [figure for figure in own if figure.protocol in (None, protocol) or protocol in (None, "usual")]
