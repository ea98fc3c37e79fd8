"""Names of files and folders in the documentation, and which thing of the stage each stands for."""

import re

# Attributes of the stage by name; a name with a * stands for two folders.
NAMES = {
    "walk.skeleton": "skeleton",
    "walk.bvh": "bvh",
    "recording.bvh": "bvh",
    "walk.npz": "long",
    "hour.npz": "long",
    "FILE": "bvh",
    "RECORDINGS": "recordings",
    "recordings": "recordings",
    "list.csv": "listed",
    "NW_UCLA": "nw_ucla",
    "NW_UCLA_FOLDER": "nw_ucla",
    "nw_ucla": "nw_ucla",
    "DATA": "nw_ucla",
    "UTD_MHAD": "utd_mhad",
    "UTD_MHAD_FOLDER": "utd_mhad",
    "UTD": "utd_mhad",
    "UTKINECT": "utkinect",
    "UTK": "utkinect",
    "JHMDB": "jhmdb",
    "JHMDB_FOLDER": "jhmdb",
    "NTU": "ntu",
    "FOLDER": "everything",
    "samples_with_missing_skeletons.txt": "missing",
    "lab.yaml": "layout",
    "take1.csv": "take",
    "packed": "packed",
    "packed/nw_ucla": "packed_nw_ucla",
    "shards": "packed",
    "critic_data": "recordings",
    "runs": "tested_runs",
    "runs/renderers": "tested_runs",
    "runs/first": "run",
    "runs/second": "run",
    "runs/synthetic": "run",
    "runs/my_model": "run",
    "runs/packed": "run",
    "runs/critic": "run",
    "runs/8b": "run",
    "RUN": "run",
    "RUN_OR_STEP": "run",
    "runs/all": "nw_ucla_run",
    "runs/mine": "nw_ucla_run",
    "runs/other": "nw_ucla_run",
    "runs/ucla": "nw_ucla_run",
    "runs/nw_ucla": "nw_ucla_run",
    "runs/renderers/learned/seed-0": "nw_ucla_run",
    "runs/renderers/stick_figure/seed-0": "nw_ucla_run",
    "runs/renderers/projection/seed-0": "nw_ucla_run",
    "runs/many": "mixture_run",
    "rationales": "rationales",
    "song.wav": "song",
    "song.mp3": "compressed_song",
    "dance.bvh": "dance_bvh",
    "dance.npz": "dance_npz",
    "aist/motions": "dances",
    "aist/music": "dances",
    "mine.py": "my_reward",
    "runs/dance_tiny": "generator",
    "runs/dance": "generator",
    "runs/tuned": "generator",
    "runs/tuned-*": "generator",
    "runs/no_ground-*": "generator",
    "runs/no_anti-*": "generator",
    "runs/ways/direct/seed-*": "generator",
    "runs/imitator": "imitator",
    ".venv/bin/activate": "activation",
}  # fmt: skip
_OUTPUT = re.compile(r"(?:-o|--output)[ =](\S+)")


def names_in(text: str) -> list[str]:
    """Those of ``NAMES`` that stand in a text as paths, or as the beginning of one."""
    found = set()
    for path in re.findall(r"[\w./*-]*\w[\w./*-]*", text):
        begun = [name for name in NAMES if path.rstrip("/") == name or _leads_into(name, path)]
        found |= set(sorted(begun, key=len)[-1:])
    return [name for name in NAMES if name in found]


def _leads_into(name: str, path: str) -> bool:
    """Whether a path lies below a name. Below a folder of runs there are others, each with a name of its own."""
    return path.startswith(f"{name}/") and NAMES[name] != "tested_runs"


def outputs_in(text: str) -> list[str]:
    """The paths that a command is told to write to."""
    return [path.strip("\"'").rstrip("/") for path in _OUTPUT.findall(text)]
