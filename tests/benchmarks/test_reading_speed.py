"""The benchmark of reading: what it counts, and that its table adds up."""

import importlib.util
import sys
from pathlib import Path

import pytest

from skeletonllm.skeleton.formats import write_npz
from skeletonllm.skeleton.synthesis import synthesize

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def reading(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "kernels" / "benchmarks"))
    spec = importlib.util.spec_from_file_location("benchmark_of_reading", ROOT / "benchmarks" / "reading.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_table_counts_files_by_format_and_adds_up(reading, tmp_path, monkeypatch, capsys):
    for number in range(3):
        write_npz(synthesize("bow", performer=number), tmp_path / f"{number}.npz")
    (tmp_path / "noise.bvh").write_bytes(b"\0noise")
    (tmp_path / "README.md").write_text("no recording")
    monkeypatch.setattr("sys.argv", ["reading.py", str(tmp_path), "--passes", "2"])
    reading.main()
    rows = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in capsys.readouterr().out.splitlines() if "|" in row
    ]
    counts = {row[0]: (row[1], row[2]) for row in rows[2:]}
    assert counts == {"npz": ("3", "3"), "not read": ("1", "0"), "**all**": ("4", "3")}
    megabytes = sum(path.stat().st_size for path in tmp_path.glob("*.*") if path.suffix != ".md") / 1e6
    assert rows[-1][3] == f"{megabytes:.1f}"


def test_a_folder_with_nothing_to_read_is_a_usage_error(reading, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["reading.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        reading.main()
