"""Curves of robustness: a small panel for each corruption."""

import math
from pathlib import Path

COLUMNS = 4


def plot_robustness(found: dict, path: Path) -> None:
    """Accuracy over the level of each corruption, with 95 % intervals, a line per model, chance dashed, as PNG.

    Args:
        found: what ``skeletonllm.evaluation.robustness.sweep`` returns.
        path: its folder is made if need be.

    Raises:
        ValueError: there is nothing to draw.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for corruptions in found["models"].values() for name in corruptions))
    if not names:
        raise ValueError("none of the corruptions concerns a recording; there is nothing to draw")
    columns = min(COLUMNS, len(names))
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(3.1 * columns, 2.9 * lines + 0.6), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, name, {model: each[name] for model, each in found["models"].items() if name in each})
        panel.axhline(100 * found["chance"], color="grey", linestyle="--", linewidth=1, label="chance")
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    for panel in panels[: len(names) : columns]:
        panel.set_ylabel("accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panel(panel, name: str, models: dict[str, list[dict]]) -> None:
    rows = next(iter(models.values()))
    # Kinds, and levels that double, stand side by side; degrees and percent stand where they are.
    spread = all(row["name"] is None for row in rows[1:]) and name != "frame_rate"
    places = [row["level"] for row in rows] if spread else list(range(len(rows)))
    for number, (model, levels) in enumerate(models.items()):
        shares = [100 * row["accuracy"] for row in levels]
        ends = [[100 * end for end in row["interval_95"]] for row in levels]
        below = [max(0.0, share - low) for share, (low, _) in zip(shares, ends, strict=True)]
        above = [max(0.0, high - share) for share, (_, high) in zip(shares, ends, strict=True)]
        style = "o-" if spread or name == "frame_rate" else "o"
        # A little apart, so that no interval hides another.
        moved = [place + 0.012 * number * (max(places) or 1) for place in places]
        panel.errorbar(moved, shares, [below, above], fmt=style, markersize=4, capsize=2, linewidth=1.2, label=model)
    panel.set_title(f"{name.replace('_', ' ')} ({rows[0]['count']} clips)", fontsize=9)
    labels = [_told(row) for row in rows]
    turned = not spread and name != "frame_rate"
    panel.set_xticks(places, labels, fontsize=7, rotation=20 if turned else 0, parse_math=False)
    panel.set_xlabel(rows[0]["unit"] if not turned else "", fontsize=8)
    panel.set_ylim(0, 103)
    panel.grid(alpha=0.3)


def _told(row: dict) -> str:
    if row["level"] == 0:
        return "as it is" if row["name"] else "0"
    return row["name"] or f"{row['level']:g}"
