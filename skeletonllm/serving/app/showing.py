"""Recordings of a guest on the page: read from uploads, and as moving bodies."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from skeletonllm.serving.app.guests import Guest
from skeletonllm.serving.app.pieces import view_frame, warning
from skeletonllm.serving.app.view import Sound, View, page
from skeletonllm.serving.errors import told
from skeletonllm.serving.limits import Limits, safe_name
from skeletonllm.serving.queue import OutOfTime, QueueFullError
from skeletonllm.serving.readers import Readers
from skeletonllm.serving.reading import Recording
from skeletonllm.skeleton.formats import is_companion
from skeletonllm.skeleton.formats.custom import LAYOUT_SUFFIXES
from skeletonllm.skeleton.summary import summarize
from skeletonllm.skeleton.synthesis import synthesize

# Made here, for who has no recording at hand: two actions of the embedded data set, and a performer of each.
_EXAMPLES = {"kick": 1, "shake hands": 2}


async def receive(guest: Guest, readers: Readers, uploads: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Read what was uploaded and forget the files.

    Args:
        guest: who keeps the recordings.
        readers: who reads.
        uploads: paths of the uploaded files, which are gone afterwards.

    Returns:
        The names of the recordings, and of files that are none, each with what is wrong with it.
    """
    folder = guest.new_file("upload")
    folder.mkdir()
    names, problems = [], []
    try:
        files = _moved(uploads, folder, readers.limits)
        for path in files:
            if is_companion(path) and len(files) > 1:
                continue  # read along with the recording that it belongs to
            try:
                for which in await readers.inside(path):
                    names.append(guest.bring(await readers.read([path], which)))
            except (ValueError, OSError, OutOfTime, QueueFullError) as error:
                problems.append((path.name, _reason(error, folder)))
    except ValueError as error:
        problems.append(("upload", _reason(error, folder)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for upload in uploads:
            Path(upload).unlink(missing_ok=True)
    return names, problems


def bring_examples(guest: Guest) -> list[str]:
    """Recordings that the package makes itself; their names."""
    names = []
    for label, performer in _EXAMPLES.items():
        sequence = synthesize(label, performer=performer)
        name = f"example, {label}"
        names.append(guest.bring(Recording(name, sequence, summarize(sequence, name, "synthetic"))))
    return names


def show(
    guest: Guest,
    views: Sequence[View],
    *,
    sound: Sound | None = None,
    height: int = 460,
    shown: Sequence[int] | None = None,
) -> Markup:
    """Views side by side, as an element of the app; of more than two a visitor chooses, see ``view.page``."""
    title = ", ".join(view.title for view in views)
    text = page(views, sound=sound, shown=shown)
    return view_frame(guest.address(guest.write_page("view.html", text)), title, height)


def refusal(error: Exception, guest: Guest) -> Markup:
    """What a guest may know of an error. Raises the error again if that is nothing, for it is a defect of ours."""
    known = told(error, guest.folder)
    if known is None:
        raise error
    return warning(known.message)


def _moved(uploads: Sequence[str], folder: Path, limits: Limits) -> list[Path]:
    """The files in a folder of their own, where those that belong together find each other."""
    limits.check("files", len(uploads), limits.files)
    limits.check("bytes of files", sum(Path(upload).stat().st_size for upload in uploads), limits.upload_bytes)
    files = []
    for upload in uploads:
        path = folder / safe_name(Path(upload).name)
        if path.suffix.lower() in LAYOUT_SUFFIXES:
            raise ValueError(f"{path.name}: descriptions of formats are not taken, only recordings")
        if path in files:
            raise ValueError(f"{path.name}: two files have this name")
        files.append(Path(shutil.move(upload, path)))
    return files


def _reason(error: Exception, folder: Path) -> str:
    known = told(error, folder)
    return str(known) if known is not None else f"cannot be read: {type(error).__name__}"
