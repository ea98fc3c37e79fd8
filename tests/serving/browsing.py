"""What tests do in a real browser."""

import os

import pytest

# Machines that test are busy, and the first question compiles and loads much; milliseconds.
PATIENCE = 300_000


def needed(is_there: object, name: str) -> None:
    """Skip where something is missing, but not in CI."""
    if not is_there and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing, and CI needs it")
    if not is_there:
        pytest.skip(f"needs {name}")


def view_in(page, where):
    return page.frame_locator(f"#{where} iframe")


def canvas(page, where, number=0):
    found = view_in(page, where).locator("canvas").nth(number)
    found.wait_for()
    return found


def go_to(page, tab):
    page.get_by_role("tab", name=tab).click()
