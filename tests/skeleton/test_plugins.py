"""Formats of installed packages: found by their entry point, refused or passed over when they are wrong."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from skeletonllm.skeleton import formats
from skeletonllm.skeleton.formats import FORMATS, detect_format, read_skeleton

DOCS = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
(LAB_FORMATS,) = re.findall(r"```python\n(from pathlib.*?)```", DOCS.read_text(), re.DOTALL)
(ENTRY,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes a package as pip leaves it: its module's text, under a name that no test used before."""
    monkeypatch.setattr(formats, "FORMATS", dict(FORMATS))
    formats._add_plugins.cache_clear()
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def install(module: str, text: str, point: str = "lab") -> None:
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[skeletonllm.formats]\n{point} = {module}:FORMAT\n")
        (site / f"{module}.py").write_text(text)

    yield install
    formats._add_plugins.cache_clear()


def write_lab(path: Path) -> np.ndarray:
    joints = np.random.default_rng(0).normal(size=(4, 20, 3)).astype("<f4")
    path.write_bytes(b"LAB1" + joints.tobytes())
    return joints


def test_the_package_of_the_docs_reads_its_files(install, tmp_path):
    assert '[project.entry-points."skeletonllm.formats"]' in ENTRY and 'lab = "lab_formats:FORMAT"' in ENTRY
    install("lab_formats", LAB_FORMATS)
    joints = write_lab(tmp_path / "take.lab")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert detect_format(tmp_path / "take.lab").name == "lab"
        read = read_skeleton(tmp_path / "take.lab")
        np.testing.assert_array_equal(read.joints[:, 0], joints)
        assert read_skeleton(tmp_path / "take.lab", format="lab").fps == 50


@pytest.mark.parametrize(
    ("module", "text", "reason"),
    [
        ("lab_broken", "import no_such_library_anywhere\n", "ModuleNotFoundError"),
        ("lab_empty", "", "AttributeError"),
        ("lab_raising", "1 / 0\n", "ZeroDivisionError"),
        ("lab_wrong", "FORMAT = 5\n", "int and no Format"),
    ],
)
def test_a_package_that_fails_is_named_and_the_others_are_read(install, tmp_path, module, text, reason):
    install(module, text, point="broken")
    install(f"{module}_sound", LAB_FORMATS)
    write_lab(tmp_path / "take.lab")
    with pytest.warns(UserWarning, match=f"{module}.*'broken'.*passed over.*{reason}"):
        assert detect_format(tmp_path / "take.lab").name == "lab"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        assert read_skeleton(tmp_path / "take.lab").num_frames == 4


def test_a_package_may_not_replace_a_format(install, tmp_path):
    install("lab_taking", LAB_FORMATS.replace('Format("lab"', 'Format("ntu"'))
    write_lab(tmp_path / "take.lab")
    with pytest.raises(ValueError, match="lab_taking.*'ntu' as another format"):
        read_skeleton(tmp_path / "take.lab")
    assert formats.FORMATS["ntu"] is FORMATS["ntu"]


def test_two_packages_may_not_bring_one_name(install, tmp_path):
    install("lab_first", LAB_FORMATS)
    install("lab_second", LAB_FORMATS)
    with pytest.raises(ValueError, match="'lab' as another format"):
        formats.known_formats()


def test_packages_are_looked_for_when_something_is_read_and_not_before(install):
    install("lab_lazy", "import sys\nsys.lab_was_imported = True\n" + LAB_FORMATS)
    import sys

    assert not hasattr(sys, "lab_was_imported")
    formats.known_formats()
    assert sys.lab_was_imported
    del sys.lab_was_imported
