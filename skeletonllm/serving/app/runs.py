"""The tab Runs: training logs and results of evaluations below a folder, compared on one page."""

from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from markupsafe import Markup, escape

from skeletonllm.evaluation.report.finding import Found, find
from skeletonllm.evaluation.report.page import build as report
from skeletonllm.serving.app.guests import Guest
from skeletonllm.serving.app.house import House
from skeletonllm.serving.app.pieces import remark, view_frame, warning
from skeletonllm.serving.app.theme import slot

_NOTHING = ""
_HEIGHT = 900


def known_runs(root: Path | None) -> dict[str, Path]:
    """Folders of runs, results and studies below a folder, by their paths in it; empty where there are none."""
    if root is None or not root.is_dir():
        return {}
    try:
        found = find([root])
    except ValueError:  # there is nothing in it
        return {}
    return {str(folder.relative_to(root)): folder for folder in sorted(_folders(found)) if folder != root}


def compared(guest: Guest, folders: Sequence[Path], root: Path) -> Markup:
    """A report of some folders, as an element of the app. Where ``root`` lies is not told to visitors.

    Raises:
        ValueError, OSError: there is nothing to report of a folder any more.
    """
    text = report(find(folders), "Runs compared").replace(f"{escape(str(root))}/", "")
    return view_frame(guest.address(guest.write_page("report.html", text)), "runs compared", _HEIGHT)


def _folders(found: Found) -> set[Path]:
    runs = {run.folder for run in found.runs}
    # Results within a run are shown with it.
    alone = {each.folder for each in found.evaluations if not runs & set(each.folder.parents)}
    measured = {each.path.parent for each in (*found.studies, *found.robustness, *found.efficiency)}
    return runs | alone | {folder for folder in measured if not runs & set(folder.parents)}


def build(house: House, tab: gr.Tab) -> None:
    """The tab."""
    if house.runs is None:
        slot("runs-none", remark("No folder of runs: start the server with --runs FOLDER."))
        return
    # The choices are there from the start, as a list that is opened before they come stays empty.
    chosen = gr.Dropdown(
        label=f"Runs and results in {house.runs.name}", choices=list(known_runs(house.runs)), multiselect=True,
        interactive=True, elem_id="runs-chosen",
    )  # fmt: skip
    compare = gr.Button("Compare", variant="primary", elem_id="runs-compare")
    problems = slot("runs-problems")
    page = slot("runs-page")

    def entered(current: list[str] | None):
        known = list(known_runs(house.runs))
        told = _NOTHING if known else remark(f"Nothing was found in {house.runs.name}.")
        left = [name for name in current or [] if name in known]
        # What is chosen meanwhile must not be taken back.
        return gr.update(choices=known, **({} if left == (current or []) else {"value": left})), told

    def pressed(names: list[str] | None, request: gr.Request):
        guest, known = house.guests.of(request.session_hash), known_runs(house.runs)
        folders = [known[name] for name in names or [] if name in known]
        if not folders:
            return remark("Choose one run or more."), gr.skip()
        try:
            return _NOTHING, compared(guest, folders, house.runs)
        except (ValueError, OSError) as error:
            return warning("No report of these", [str(error)]), _NOTHING

    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    tab.select(entered, chosen, [chosen, problems], **quiet)
    compare.click(pressed, chosen, [problems, page], **{**quiet, "show_progress": "minimal"})
