"""skeletonllm convert: recordings to another format, and to another skeleton."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skeletonllm.cli.errors import USER_ERRORS, describe_error

if TYPE_CHECKING:
    from skeletonllm.skeleton.sequence import SkeletonSequence
    from skeletonllm.skeleton.topology import Topology

DEFAULT_FORMAT = "npz"


@dataclass(frozen=True)
class Job:
    """A recording to convert.

    Args:
        source: what it is called in messages.
        path: its file.
        place: its path below the input folder, or the file's name; the name of the recording is behind a #.
        read: reads it.
    """

    source: str
    path: Path
    place: str
    read: Callable[[], "SkeletonSequence"]


@dataclass(frozen=True)
class Changes:
    """What is done to each recording on the way.

    Args:
        topology: the skeleton to retarget to.
        person: the only one to keep, counted from 0.
        fps: frames per second to resample to.
        clean: whether outliers are masked and short gaps filled first.
    """

    topology: "Topology | None"
    person: int | None
    fps: float | None
    clean: bool


def convert(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Recordings, FILE#NAME of a file with several, or folders.")
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", help="A file for one recording, whose suffix decides; else a folder.")
    ],
    to: Annotated[
        str | None, typer.Option(help=f"Write npz, npy, bvh or coco; in a folder {DEFAULT_FORMAT} by default.")
    ] = None,
    topology: Annotated[
        str | None, typer.Option(help="Retarget to this skeleton, such as smpl-22, or a .yaml file.")
    ] = None,
    person: Annotated[int | None, typer.Option(min=0, help="Keep this person only, counted from 0.")] = None,
    fps: Annotated[float | None, typer.Option(min=1, max=1000, help="Resample to frames per second.")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Mask outliers and fill short gaps first.")] = False,
    format: Annotated[str | None, typer.Option(help="Read as this format instead of looking at the bytes.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
) -> None:
    """Write recordings in another format, and say of each what that format does not hold."""
    from skeletonllm.skeleton.formats.writers import find_writer
    from skeletonllm.skeleton.topologies import get_topology

    changes = Changes(None if topology is None else get_topology(topology), person, fps, clean)
    jobs = [job for path in inputs for job in find_jobs(path, format)]
    targets = plan_targets(jobs, output, to)
    failed = 0
    for job, target in zip(jobs, targets, strict=True):
        try:
            if target.exists() and target.samefile(job.path):
                raise ValueError(f"{target}: is the recording itself; choose another output")
            if target.exists() and not force:
                raise ValueError(f"{target}: is there already; --force overwrites it")
            print(convert_one(job, target, find_writer(target, to).name, changes), flush=True)
        except USER_ERRORS as error:
            failed += 1
            reason = describe_error(error)
            print(f"skeletonllm: {reason if str(job.path) in reason else f'{job.source}: {reason}'}", file=sys.stderr)
    if failed:
        if len(jobs) > 1:
            print(f"skeletonllm: {failed} of {len(jobs)} recordings were not converted", file=sys.stderr)
        raise typer.Exit(2)


def find_jobs(path: Path, format: str | None) -> Iterator[Job]:
    """The recordings of a folder, a file, or FILE#NAME. A file that cannot be read is a job that raises the reason."""
    from skeletonllm.data.walk import Entry, entries_of, walk
    from skeletonllm.skeleton.formats import read_skeleton

    if not path.exists() and "#" in path.name:
        yield Job(
            str(path), path.with_name(path.name.partition("#")[0]), path.name, partial(read_skeleton, path, format)
        )
        return
    if path.is_dir():
        entries, root = walk(path).entries, path
        if not entries:
            raise ValueError(f"{path}: no recordings in it")
    else:
        entries, root = entries_of(path), path.parent
    if format is not None:
        entries = [Entry(file, format) for file in dict.fromkeys(entry.path for entry in entries)]
    for entry in entries:
        place = entry.id(root)
        yield Job(str(root / place), entry.path, place, entry.read)


def plan_targets(jobs: list[Job], output: str, to: str | None) -> list[Path]:
    """The file for each recording. Raises ValueError where one file is to hold several."""
    from skeletonllm.skeleton.formats.writers import find_writer

    target = Path(output)
    if target.suffix and not output.endswith("/") and not target.is_dir():
        find_writer(target, to)
        if len(jobs) > 1:
            raise ValueError(
                f"{output}: holds one recording; give a folder (with /), or FILE#NAME for one of {len(jobs)}"
            )
        return [target]
    suffix = find_writer(target, to or DEFAULT_FORMAT).suffix
    plain = Counter(_name(job.place, whole=False) for job in jobs)
    # Files that differ in their suffix only keep it in their names.
    names = [_name(job.place, whole=plain[_name(job.place, whole=False)] > 1) for job in jobs]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{output}: several recordings would be called {repeated[0]}{suffix}; convert them one by one")
    return [target / f"{name}{suffix}" for name in names]


def convert_one(job: Job, target: Path, writer: str, changes: Changes) -> str:
    """Read, change and write one recording; a line that says what came out and what was lost."""
    from skeletonllm.rendering.video import replacing
    from skeletonllm.skeleton.formats.writers import write_skeleton
    from skeletonllm.skeleton.resampling import resample
    from skeletonllm.skeleton.retarget import retarget

    sequence, lost, cleaned = job.read(), [], ""
    if changes.clean:
        from skeletonllm.skeleton.cleaning import clean

        sequence, report = clean(sequence)
        cleaned = "; cleaned: " + (
            ", ".join(f"{step.joints} joints ({step.name})" for step in report.steps) or "nothing"
        )
    if changes.person is not None:
        if changes.person >= sequence.num_persons:
            raise ValueError(f"{job.source}: no person {changes.person}; it has {sequence.num_persons}, counted from 0")
        if sequence.num_persons > 1:
            lost.append(f"{sequence.num_persons - 1} of {sequence.num_persons} persons")
        sequence = sequence.only_person(changes.person)
    if changes.fps is not None:
        sequence = resample(sequence, changes.fps)
    if changes.topology is not None and changes.topology != sequence.topology:
        left_out = sum(joint not in changes.topology.joints for joint in sequence.topology.joints)
        if left_out:
            lost.append(f"{left_out} joints of {sequence.topology.name} that {changes.topology.name} has not")
        if sequence.rotations is not None:
            lost.append("rotations")
        sequence = retarget(sequence, changes.topology)
    with replacing(target) as unfinished:
        lost += write_skeleton(sequence, unfinished, writer)
    persons = f"{sequence.num_persons} person" + ("s" if sequence.num_persons > 1 else "")
    told = f"{sequence.num_frames} frames at {sequence.fps:g} fps, {persons}, {sequence.topology.name}"
    return f"{job.source} -> {target}: {told}; lost: {'; '.join(lost) or 'nothing'}{cleaned}"


def _name(place: str, whole: bool) -> str:
    """What a recording is called in the output folder, without suffix: ``whole`` keeps that of the input as a word."""
    file, _, recording = place.partition("#")
    path = Path(file)
    path = path.with_name(path.name.replace(".", "_")) if whole else path.with_suffix("")
    # Recordings within a file are called what its writer liked, slashes and all.
    recording = re.sub(r"[^\w+-]+", "_", recording)
    return path.as_posix() + (f"_{recording}" if recording else "")
