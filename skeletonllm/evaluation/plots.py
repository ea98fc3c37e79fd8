"""Pictures of results."""

from pathlib import Path

from skeletonllm.evaluation.accuracy import Accuracy


def plot_confusion(accuracy: Accuracy, path: Path, title: str) -> None:
    """A confusion matrix as PNG: rows are true labels and sum to one, cells show counts."""
    from matplotlib.figure import Figure

    counts = accuracy.confusion
    columns = [*accuracy.candidates, "(no label)"]
    if not counts[:, -1].any():
        counts, columns = counts[:, :-1], columns[:-1]
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    side = 2.0 + 0.42 * len(columns)
    figure = Figure(figsize=(side + 1.0, side))
    axes = figure.subplots()
    axes.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1)
    for row, column in counts.nonzero().tolist():
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, int(counts[row, column]), ha="center", va="center", fontsize=7, color=color)
    # A dollar sign in a label is a dollar sign, not the start of a formula.
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8, parse_math=False)
    axes.set_yticks(range(len(accuracy.candidates)), accuracy.candidates, fontsize=8, parse_math=False)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=10, parse_math=False, wrap=True)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def plot_losses(runs: dict[str, list[dict]], path: Path) -> None:
    """Training losses over steps as PNG: name of a run -> its log lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2))
    axes = figure.subplots()
    for name, lines in runs.items():
        axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], label=name)
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats per answer token")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
