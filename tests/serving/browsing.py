"""What tests do in a real browser, and files as other programs write them."""

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


def kinect(sequence) -> str:
    """A recording as the text of Kinect's .skeleton files."""
    lines = [str(sequence.num_frames)]
    for persons in sequence.joints.tolist():
        lines.append(str(len(persons)))
        for number, joints in enumerate(persons):
            lines += [f"7205759403792{number} 0 1 1 1 1 0 0.1 -0.2 2", str(len(joints))]
            lines += [f"{x:.6f} {y:.6f} {z:.6f} 250 200 900 500 0.1 0.2 0.3 0.9 2" for x, y, z in joints]
    return "\n".join(lines) + "\n"
