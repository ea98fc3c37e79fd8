"""skeletonllm dance judge: how well a simulated body can imitate motions."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.convert import find_jobs
from skeletonllm.cli.errors import USER_ERRORS, describe_error
from skeletonllm.cli.evaluate import print_table

if TYPE_CHECKING:
    from skeletonllm.dance.imitation import Judgement
    from skeletonllm.dance.motion import Motion

# Clips whose simulated bodies are in memory at the same time.
_AT_ONCE = 64
_COLUMNS = ("reward", "plausibility", "wrench_used", "force_cap", "self_collisions")


def judge(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Motions in any format, FILE#NAME of a file with several, or folders."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write everything, also over time, to a JSON file.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for a PNG of each motion: the terms and the help over time.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder for a video of each: reference beside simulation, overlaps in red.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Folder of a policy that steers the body (dance imitate). Default: nobody.")
    ] = None,
    force: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Largest help along each axis of the pelvis, as a share of weight. Default: 0.3; of "
            "a policy, that of its training.",
        ),
    ] = None,  # fmt: skip
    self_collision: Annotated[
        bool, typer.Option("--self-collision/--no-self-collision", help="Whether limbs stop each other.")
    ] = True,
    align: Annotated[
        bool, typer.Option("--align/--no-align", help="Put the first frame on the floor; else the floor is at z = 0.")
    ] = True,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the processor; default: all.")] = None,
    backend: Annotated[
        str, typer.Option(help="Simulator: mujoco on the processor, or warp on a GPU (extra `warp`).")
    ] = "mujoco",
) -> None:
    """Let a simulated body imitate motions, and say how well it can: 1 is perfect, 0 after a fall."""
    import dataclasses
    import json
    import warnings

    from tqdm import tqdm

    from skeletonllm.dance.body import default_body
    from skeletonllm.dance.imitation import JudgeWarning
    from skeletonllm.dance.imitation import judge as judge_motions
    from skeletonllm.dance.imitation.policy import Policy
    from skeletonllm.dance.imitation.show import film_judgement, plot_judgement
    from skeletonllm.dance.physics import Physics
    from skeletonllm.evaluation.provenance import provenance
    from skeletonllm.rendering.video import replacing, why_no_mp4

    steering, physics = None, Physics()
    if policy is not None:
        steering = Policy.load(policy)
        physics = steering.physics
    if force is not None:
        physics = Physics.with_force(force)
    physics = dataclasses.replace(physics, self_collision=self_collision)
    suffix = ".gif" if why_no_mp4() else ".mp4"
    motions, failed = read_motions(inputs)
    if not motions:
        raise ValueError(f"{', '.join(map(str, inputs))}: no motion that can be judged")
    summaries, names = [], file_names(motions)
    with tqdm(total=len(motions), unit="motion", disable=None, leave=False) as bar, warnings.catch_warnings():
        # What is wrong with a motion is told below the table.
        warnings.simplefilter("ignore", JudgeWarning)
        for start in range(0, len(motions), _AT_ONCE):
            try:
                judged = judge_motions(
                    motions[start : start + _AT_ONCE],
                    physics=physics,
                    align=align,
                    policy=steering,
                    threads=threads,
                    backend=backend,
                )
            except ImportError as error:
                raise ValueError(str(error)) from error
            for name, judgement in zip(names[start:], judged, strict=False):
                summaries.append(judgement.summary() | (over_time(judgement) if output else {}))
                if plots is not None:
                    plot_judgement(judgement, plots / f"{name}.png")
                if videos is not None and judgement.simulated is not None:
                    film_judgement(judgement, default_body(), videos / f"{name}{suffix}")
                bar.update()
    print_table(rows(summaries))
    for summary in summaries:
        for said in filter(None, (summary["problem"], summary["remark"])):
            print(f"skeletonllm: {summary['source']}: {said}", file=sys.stderr)
    if output is not None:
        world = {"self_collision": physics.self_collision, "force_share": physics.force_share,
                 "torque_share": physics.torque_share, "backend": backend,
                 "policy": None if policy is None else str(policy)}  # fmt: skip
        with replacing(output) as unfinished:
            unfinished.write_text(
                json.dumps({"physics": world, "motions": summaries, **provenance()}), encoding="utf-8"
            )
        print(f"written to {output}")
    if failed:
        print(f"skeletonllm: {failed} recordings were not judged", file=sys.stderr)
        raise typer.Exit(2)


def read_motions(inputs: list[Path]) -> tuple[list["Motion"], int]:
    """The motions of files and folders, and how many could not be read: each is told on stderr."""
    from skeletonllm.dance.codecs import read_motion

    motions, failed = [], 0
    for job in (job for path in inputs for job in find_jobs(path, None)):
        try:
            motions.append(read_motion(job.source).replace(source=job.source))
        except USER_ERRORS as error:
            failed += 1
            reason = describe_error(error)
            print(f"skeletonllm: {reason if str(job.path) in reason else f'{job.source}: {reason}'}", file=sys.stderr)
    return motions, failed


def file_names(motions: list["Motion"]) -> list[str]:
    """A name for the files of each motion: that of its own file, numbered where several have the same."""
    names = [Path(motion.source).name.replace("#", "-") for motion in motions]
    return [f"{name}-{number}" if names.count(name) > 1 else name for number, name in enumerate(names)]


def over_time(judgement: "Judgement") -> dict:
    """The series of a judgement, for JSON."""
    series = {name: getattr(judgement, name) for name in ("rewards", "ground", "force", "torque")}
    return {
        "over_time": {
            **{name: values.round(5).tolist() for name, values in (judgement.terms | series).items()},
            "feet": judgement.feet.round(4).tolist(),
            "self_collisions": judgement.self_collisions.tolist(),
        }
    }


def rows(summaries: list[dict]) -> list[list[str]]:
    """A table of all motions, and of their mean: numbers from 0 to 1, seconds, and percent of the body's weight."""
    found = [["motion", "reward", "× ground", "fell, s", "help", "per axis", "itself"]]
    for each in summaries:
        fall = "–" if each["fall_time"] is None else f"{each['fall_time']:.1f}"
        found.append([Path(each["source"]).name, *_numbers(each, fall if each["terms"] else "not judged")])
    done = [each for each in summaries if each["terms"]]
    if len(done) > 1:
        mean = {key: sum(each[key] for each in done) / len(done) for key in _COLUMNS}
        fell = sum(not each["success"] for each in done)
        found.append([f"mean of {len(done)}", *_numbers(mean, f"{fell} fell")])
    return found


def _numbers(values: dict, fall: str) -> list[str]:
    reward, plausibility, used, cap, collisions = (values[key] for key in _COLUMNS)
    return [
        f"{reward:.3f}",
        f"{plausibility:.3f}",
        fall,
        f"{100 * used:.0f} %",
        f"{100 * cap:.0f} %",
        f"{collisions:.1f}",
    ]
