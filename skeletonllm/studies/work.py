"""Working on a study: as many workers as one likes, each taking cells that nobody has."""

import logging
import time
from pathlib import Path

from skeletonllm.studies.cells import WAIT_SECONDS, Cell, cells_of, claimed
from skeletonllm.studies.spec import Study

logger = logging.getLogger(__name__)


def work(study: Study, root: Path) -> list[str]:
    """Run the cells of a study until none is left.

    Several processes may work on one folder, on one machine or on several that share the disk. Who stops, or is
    killed, leaves its cell to the others, who wait for what they cannot take.

    Args:
        study: the table.
        root: its folder.

    Returns:
        What went wrong, a line per cell; the others are done.
    """
    failed: dict[Path, str] = {}
    while left := [cell for cell in cells_of(study, root) if cell.missing and cell.folder not in failed]:
        if not sum(_run(cell, failed) for cell in left):
            time.sleep(WAIT_SECONDS)
    return list(failed.values())


def _run(cell: Cell, failed: dict[Path, str]) -> bool:
    """Whether the cell was free, and so was worked on."""
    with claimed(cell.folder) as mine:
        if not mine:
            return False
        if not cell.missing:
            return True
        logger.info("%s, seed %d", cell.variant, cell.seed)
        try:
            cell.run()
        except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
            # One variant that cannot be trained does not take the others with it; told when all is done.
            failed[cell.folder] = f"{cell.variant}, seed {cell.seed}: {' '.join(str(error).split())}"
            logger.error("%s", failed[cell.folder])
        return True
