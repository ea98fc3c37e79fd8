"""skeletonllm dance demo: from nothing to dances to music that was never heard, made plausible, on a CPU."""

import json
from pathlib import Path
from typing import Annotated

import typer

SONGS, SECONDS = 12, 20.0
# What guides dances while they are made, in the rows that are guided.
GUIDE = {"ground": 1.0, "penetration": 1.0}
MEASURED = (
    "penetration_rate",
    "foot_ground_distance",
    "foot_skating",
    "success_rate",
    "motion_magnitude",
    "beat_alignment_music",
    "beat_alignment_music_other_songs",
)


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for models, dances and results.")] = Path(
        "demo_dance"
    ),
    songs: Annotated[int, typer.Option(min=2, help="How many songs to dance to.")] = SONGS,
    seconds: Annotated[float, typer.Option(min=5, help="Of each.")] = SECONDS,
    changes: Annotated[
        list[str] | None, typer.Option("--change", help="To the recipe tiny, such as optimization.steps=100.")
    ] = None,
    wishes: Annotated[
        list[str] | None,
        typer.Option("--finetune-change", help="To the recipe of fine-tuning, such as rewards.weights.beat=0.5."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of sampling, when songs are danced to.")] = 50,
) -> None:
    """Train the tiny generator on embedded songs and dances, fine-tune it on physics, and measure it before and after.

    The dances that it learns from have the flaws of recordings: limbs that stand in each other, and feet that do not
    stand on the floor.
    """
    import time

    from skeletonllm.cli.dance.report import compare
    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.dance.comparison import Manner, Row, embedded_songs, overview
    from skeletonllm.dance.files import write_dance
    from skeletonllm.dance.finetuning.recipe import load_finetune_recipe
    from skeletonllm.dance.finetuning.run import finetune
    from skeletonllm.dance.metrics import FORMS
    from skeletonllm.dance.postprocess import postprocess
    from skeletonllm.dance.synthesis import write_wav
    from skeletonllm.dance.training.recipe import load_dance_recipe
    from skeletonllm.dance.training.run import train

    learning = load_dance_recipe("tiny", ["data.flaws=1", *(changes or [])])
    tuning = load_finetune_recipe("tiny", [f"generator={output / 'run'}", *(wishes or [])])
    clock = [time.monotonic()]
    print("1/4  training on songs and dances that are made by rule, with the flaws of recordings")
    before = train(learning, output / "run", resume=(output / "run").exists())
    clock.append(time.monotonic())
    print("2/4  fine-tuning on what physics says of its own dances")
    after = finetune(tuning, output / "tuned", resume=(output / "tuned").exists())
    clock.append(time.monotonic())
    print(f"3/4  dancing {seconds:g} s to each of {songs} songs of tempi and keys that neither heard, and measuring")
    plain, guided = Manner(steps=steps), Manner(steps=steps, guide=GUIDE)
    rows = [
        Row("before", (before,), plain),
        Row("before guided", (before,), guided),
        Row("after", (after,), plain),
        Row("after guided", (after,), guided),
    ]
    heard = embedded_songs(songs, seconds)
    summary, units, written = compare(rows, heard, output / "report", beside=["after"], shown=1)
    print("4/4  writing a dance")
    best = next(unit for unit in units if unit.row == rows[-1].name)
    dance, body = best.danced()
    write_wav(output / "song.wav", *heard[0].sound)
    for name in ("dance.mp4", "dance.gif", "dance.bvh"):
        made = write_dance(output / name, postprocess(dance, body), body, music=heard[0].sound)
        print(f"written to {made.path}" + f" ({'; '.join(made.notes)})" * bool(made.notes))
    clock.append(time.monotonic())
    stages = ("training", "fine-tuning", "measuring")
    minutes = {stage: (stop - start) / 60 for stage, start, stop in zip(stages, clock[:-1], clock[1:], strict=True)}
    (output / "results.json").write_text(json.dumps({"minutes": minutes, **summary}, indent=1), encoding="utf-8")
    for form in FORMS:
        print_table([["\n".join(cell) for cell in row] for row in overview(summary, MEASURED, form).rows])
    for row in ("before", "after"):
        own, other = (interval(summary, row, name) for name in MEASURED[-2:])
        print(f"{row}: beats of its own music {own}, of the other songs {other}")
    print(f"page and video: {', '.join(str(path) for path in written if path.suffix != '.json')}")
    print(f"{sum(minutes.values()):.1f} minutes; everything is in {output}")


def interval(summary: dict, row: str, measure: str) -> str:
    """A number of dances as they are made, with its 95 % interval."""
    found = summary["rows"][row]["measures"]["raw"][measure]
    low, high = found["interval_95"]
    return f"{found['value']:.2f} ({low:.2f} to {high:.2f})"
