"""Data sets by name: each source lists the recordings of one, with labels and the usual split."""

from pathlib import Path

from skeletonllm.data.recordings import Recording
from skeletonllm.data.sources import (
    folder,
    gtu,
    jhmdb,
    msr_action3d,
    ntu,
    nw_ucla,
    packed,
    penn_action,
    synthetic,
    synthetic_sequences,
    utd_mhad,
    utkinect,
)

SOURCES = {
    "synthetic": synthetic.recordings,
    "synthetic_sequences": synthetic_sequences.recordings,
    "ntu": ntu.recordings,
    "nw_ucla": nw_ucla.recordings,
    "utd_mhad": utd_mhad.recordings,
    "utkinect": utkinect.recordings,
    "msr_action3d": msr_action3d.recordings,
    "gtu": gtu.recordings,
    "jhmdb": jhmdb.recordings,
    "penn_action": penn_action.recordings,
    "folder": folder.recordings,
    "packed": packed.recordings,
}
# Sources without files.
ROOTLESS = {"synthetic", "synthetic_sequences"}
# Sources whose root may also be a URL or an hf:// path.
REMOTE = {"packed"}


def load_source(name: str, root: str | Path | None = None, **options) -> list[Recording]:
    """The recordings of a source.

    Args:
        name: a key of ``SOURCES``.
        root: the folder with its files, for packed shards also a URL; those without files have none.
        options: of the source.

    Raises:
        ValueError: unknown source, missing or needless root, unknown option, or a folder without recordings.
    """
    if name not in SOURCES:
        raise ValueError(f"unknown data source {name!r}; known: {', '.join(SOURCES)}")
    if name in ROOTLESS:
        if root is not None:
            raise ValueError(f"the source {name} has no root folder")
    elif root is None:
        raise ValueError(f"data source {name} needs its folder: data.root=FOLDER")
    elif not (Path(root).is_dir() or (name in REMOTE and "://" in str(root))):
        raise ValueError(f"data source {name}: {root} is not a folder")
    try:
        found = (
            SOURCES[name](**options)
            if root is None
            else SOURCES[name](str(root) if name in REMOTE else Path(root), **options)
        )
    except TypeError as error:
        raise ValueError(f"data source {name}: {error}") from error
    if not found:
        raise ValueError(f"data source {name}: no recordings in {root}")
    return found
