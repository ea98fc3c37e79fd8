"""The small model of the package on a server, recordings to ask it about, and a browser."""

import importlib.util
import shutil
from collections.abc import Iterator

import pytest
from browsing import needed
from running_server import Running, serving

from skeletonllm.serving.limits import Limits


@pytest.fixture(scope="session")
def small_limits() -> Limits:
    """As those of a server, but what is too much is soon reached."""
    return Limits(upload_bytes=2 * 2**20, uploading_bytes=2**24, upload_seconds=2.0, motion_seconds=60.0)


@pytest.fixture(scope="session")
def engine(small_limits):
    from skeletonllm.serving.engine import Engine

    engine = Engine(limits=small_limits)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def server(engine, tmp_path_factory) -> Iterator[Running]:
    with serving(engine, tmp_path_factory.mktemp("visitors")) as running:
        yield running


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> dict[str, bytes]:
    """Files of recordings by what is done in them."""
    from skeletonllm.skeleton.formats import write_npz
    from skeletonllm.skeleton.synthesis import synthesize

    folder = tmp_path_factory.mktemp("recordings")
    files = {}
    for label in ("clap", "squat", "walk", "kick"):
        path = folder / f"{label}.npz"
        write_npz(synthesize(label, topology="coco_17", performer=50), path)
        files[label] = path.read_bytes()
    return files


@pytest.fixture(scope="module")
def browser():
    """A real browser, without a screen. While it is there its own event loop runs in this thread, and no other can."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    needed(program, "chromium")
    needed(importlib.util.find_spec("playwright"), "playwright")
    needed(importlib.util.find_spec("gradio"), "gradio")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers have no kernel features for Chromium's sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
