"""Registries: ours before others', packages asked late, and what is wrong with one told."""

import sys
import warnings

import pytest

from skeletonllm.skeleton.plugins import Registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes a package as pip leaves it, with entry points in the group ``lab.numbers``."""
    site = tmp_path / "site"
    monkeypatch.syspath_prepend(str(site))

    def install(module: str, text: str, **points: str) -> None:
        info = site / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {module}:{thing}\n" for name, thing in points.items())
        (info / "entry_points.txt").write_text(f"[lab.numbers]\n{lines}")
        (site / f"{module}.py").write_text(text)

    return install


def numbers(name_of=None, **own) -> Registry[int]:
    return Registry("lab.numbers", "number", lambda thing: isinstance(thing, int), own, name_of)


def test_what_packages_bring_stands_behind_ours(install):
    install("registry_two", "TWO = 2\n", two="TWO")
    found = numbers(one=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(found) == {"one": 1, "two": 2} and list(found) == ["one", "two"]
        assert "two" in found and found.get("three") is None and len(found) == 2


def test_packages_are_imported_at_the_first_look_and_not_before(install):
    install("registry_late", "X = 3\n", late="X")
    found = numbers()
    assert "registry_late" not in sys.modules
    assert found["late"] == 3 and "registry_late" in sys.modules


def test_a_thing_may_call_itself_otherwise_than_its_entry_point(install):
    install("registry_named", "X = 7\n", something="X")
    assert dict(numbers(name_of=lambda number: f"n{number}")) == {"n7": 7}


@pytest.mark.parametrize(
    ("module", "text", "reason"),
    [
        ("registry_raising", "1 / 0\n", "ZeroDivisionError"),
        ("registry_text", "X = 'five'\n", "str and no Number"),
        ("registry_class", "class X: pass\n", "the class X and no Number"),
    ],
)
def test_one_that_fails_is_named_and_the_others_are_there(install, module, text, reason):
    install(module, text, wrong="X")
    install(f"{module}_sound", "Y = 4\n", right="Y")
    with pytest.warns(UserWarning, match=f"{module}: the number 'wrong'.*passed over.*{reason}"):
        assert dict(numbers()) == {"right": 4}


def test_no_name_is_taken_twice_and_the_refusal_does_not_go_away(install):
    install("registry_again", "ONE = 11\n", one="ONE")
    found = numbers(one=1)
    for _ in range(2):
        with pytest.raises(ValueError, match="registry_again.*'one' as another number is"):
            found["one"]


def test_a_module_may_put_in_itself_what_it_brings(install, monkeypatch):
    found = numbers()
    monkeypatch.setattr(sys, "numbers_of_a_test", found, raising=False)
    install("registry_both", "import sys\nBIG = 10**9\nsys.numbers_of_a_test['both'] = BIG\n", both="BIG")
    assert dict(found) == {"both": 10**9}


def test_only_things_of_the_kind_are_taken_in_a_script():
    found = numbers(one=1)
    found["two"] = 2
    with pytest.raises(ValueError, match="'three' is str and no Number"):
        found["three"] = "3"
    del found["one"]
    assert dict(found) == {"two": 2}
