"""Generalised zero-shot recognition: asked about the classes that trained and those that did not, all at once.

A model prefers what it trained on, so that the accuracy over everything hides whether it knows anything else. The
usual figure is the harmonic mean of the accuracies on seen and on unseen classes (Xian et al., 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skeletonllm.evaluation.accuracy import Prediction
from skeletonllm.evaluation.intervals import bootstrap_interval, wilson_interval


def harmonic_mean(seen: float, unseen: float) -> float:
    """Of two accuracies; 0 if one of them is."""
    return 2 * seen * unseen / (seen + unseen) if seen and unseen else 0.0


@dataclass(frozen=True)
class GeneralizedAccuracy:
    """Hits on recordings of seen and of unseen classes, in the order of the predictions.

    Args:
        seen, unseen: whether each prediction is right, at least one each.
        curve: accuracies on seen and on unseen classes as more and more is taken off the scores of seen ones, from
            all answers being seen classes to none; empty where there are no scores.
    """

    seen: list[bool]
    unseen: list[bool]
    curve: list[tuple[float, float]]

    @classmethod
    def of(cls, predictions: Sequence[Prediction], candidates: Sequence[str], unseen: Sequence[str]):
        """Count predictions whose candidates were seen and unseen classes together.

        Raises:
            ValueError: no prediction on one of the sides, or an unseen class that was not offered.
        """
        strange = set(unseen)
        if missing := sorted(strange - set(candidates)):
            raise ValueError(f"unseen classes that were not offered: {', '.join(missing)}")
        sides = [[p for p in predictions if (p.label in strange) == side] for side in (False, True)]
        for name, side in zip(("seen", "unseen"), sides, strict=True):
            if not side:
                raise ValueError(f"no recording of {name} classes; a harmonic mean needs both")
        hits = [[p.predicted == p.label for p in side] for side in sides]
        return cls(*hits, _curve(sides, list(candidates), strange))

    @property
    def seen_accuracy(self) -> float:
        return sum(self.seen) / len(self.seen)

    @property
    def unseen_accuracy(self) -> float:
        return sum(self.unseen) / len(self.unseen)

    @property
    def harmonic(self) -> float:
        return harmonic_mean(self.seen_accuracy, self.unseen_accuracy)

    def harmonic_interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap interval, recordings of both sides drawn apart."""
        return bootstrap_interval(
            lambda seen, unseen: harmonic_mean(seen.mean(), unseen.mean()), self.seen, self.unseen, seed=seed
        )

    @property
    def area(self) -> float | None:
        """Area under ``curve`` (AUSUC, Chao et al., 2016), which asks for no choice of what to take off."""
        if not self.curve:
            return None
        seen, unseen = np.array(self.curve).T
        return float(((unseen[1:] - unseen[:-1]) * (seen[1:] + seen[:-1]) / 2).sum())

    def summary(self, seed: int = 0) -> dict:
        """Plain values for JSON."""
        return dict(
            seen=dict(
                accuracy=self.seen_accuracy, hits=sum(self.seen), count=len(self.seen),
                interval_95=list(wilson_interval(sum(self.seen), len(self.seen))),
            ),
            unseen=dict(
                accuracy=self.unseen_accuracy, hits=sum(self.unseen), count=len(self.unseen),
                interval_95=list(wilson_interval(sum(self.unseen), len(self.unseen))),
            ),
            harmonic=self.harmonic, harmonic_interval_95=list(self.harmonic_interval(seed)), bootstrap_seed=seed,
            area_under_seen_unseen_curve=self.area,
        )  # fmt: skip


def _curve(sides: list[list[Prediction]], candidates: list[str], unseen: set[str]) -> list[tuple[float, float]]:
    """Accuracies for every amount that makes a difference when taken off the scores of seen classes.

    A recording goes over to the unseen classes when the amount exceeds its best seen score less its best unseen one.
    """
    if any(p.scores is None for side in sides for p in side):
        return []
    strange = np.array([label in unseen for label in candidates])
    if strange.all():
        return []
    margins, within = [], []
    for on_unseen, side in zip((False, True), sides, strict=True):
        scores = np.array([p.scores for p in side])
        truth = np.array([candidates.index(p.label) for p in side])
        margins.append(scores[:, ~strange].max(1) - scores[:, strange].max(1))
        kept = np.where(strange == on_unseen, scores, -np.inf)
        within.append(kept.argmax(1) == truth)
    amounts = np.unique(np.concatenate(margins))
    points = []
    for amount in [-np.inf, *amounts]:
        # With ties going to the seen class, -inf leaves everything to them and the largest margin nothing.
        stays = [margin > amount for margin in margins]
        points.append((float((within[0] & stays[0]).mean()), float((within[1] & ~stays[1]).mean())))
    return points
