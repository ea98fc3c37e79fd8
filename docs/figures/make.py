"""The pictures of the documentation, from the project's own code and embedded motions.

    python docs/figures/make.py [NAME ...] [--list]

Nothing is downloaded, and no recording of anybody is in them. Pixels repeat on one machine; another processor may round
the last bit of a colour differently. Needs what the tests need: ``pip install -e .[dev]``.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(path) for path in (HERE, ROOT, ROOT / "kernels") if str(path) not in sys.path]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import anatomy  # noqa: E402
import bodies  # noqa: E402
import canvas  # noqa: E402
import colors  # noqa: E402
import fitting  # noqa: E402
import formats  # noqa: E402
import kinds  # noqa: E402
import overview  # noqa: E402
import patches  # noqa: E402
from PIL import Image  # noqa: E402

MODULES = (formats, anatomy, colors, bodies, fitting, kinds, patches)
# What each makes, by the name of its file.
FIGURES: dict[str, Callable[[], Image.Image]] = {
    name: figure for module in MODULES for name, figure in module.FIGURES.items()
}
# These write files of their own kinds, which lie above this folder.
OTHERS: dict[str, Callable[[Path], None]] = overview.FIGURES


def make(name: str, folder: Path = HERE) -> Path:
    """Make one picture, in a folder or above it. Returns where it is."""
    if name in OTHERS:
        OTHERS[name](folder.parent / name)
        return folder.parent / name
    canvas.save(folder / f"{name}.png", FIGURES[name]())
    return folder / f"{name}.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; default: all")
    parser.add_argument("--list", action="store_true", help="the names, and nothing is made")
    options = parser.parse_args()
    known = [*FIGURES, *OTHERS]
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no figure {', '.join(unknown)}; there are {', '.join(known)}")
    for name in options.names or known:
        if options.list:
            print(name)
            continue
        path = make(name)
        print(f"{path.relative_to(ROOT)} {path.stat().st_size / 1000:.0f} kB", flush=True)


if __name__ == "__main__":
    main()
