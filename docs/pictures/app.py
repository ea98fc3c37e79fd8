"""Pictures of the web app, from the app itself in a browser, with synthetic motions and the models of the package.

    python docs/pictures/app.py

Needs ``pip install -e '.[serve,dance]' playwright`` and Chromium. How letters look is that of the machine's fonts.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from skeletonllm.skeleton.formats import write_skeleton  # noqa: E402
from skeletonllm.skeleton.synthesis import synthesize  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDE, NARROW = 1000, 390
COLORS = 96
PATIENCE = 300_000  # milliseconds


@contextmanager
def served() -> Iterator[str]:
    """The address of a server of its own."""
    places = os.pathsep.join(sys.path[:2])
    command = [sys.executable, "-m", "skeletonllm", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": places}
    ) as server:
        try:
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def recordings(folder: Path) -> list[Path]:
    """Two files of different formats and skeletons."""
    paths = [folder / "kick.bvh", folder / "shake_hands.npz"]
    write_skeleton(synthesize("kick", performer=50, topology="smpl_22"), paths[0])
    write_skeleton(synthesize("shake hands", performer=51, topology="kinect_v2"), paths[1])
    return paths


def look(page: "Page", files: list[Path]) -> None:
    page.set_input_files("#look-files input[type=file]", files)
    page.locator("#look-drawn img").nth(1).wait_for()
    stop_at(page, "look-view", 1.0)


def ask(page: "Page") -> None:
    page.get_by_role("tab", name="Ask").click()
    page.frame_locator("#ask-view iframe").locator("canvas").wait_for()
    page.fill("#ask-text textarea", "Describe the motion.")
    page.click("#ask-send")
    page.wait_for_function("() => !/…|^$/.test(document.querySelector('#ask-chat .bot')?.innerText.trim() ?? '')")
    page.fill("#ask-candidates textarea", "kick\nwave\nsit down\nclap")
    page.click("#ask-send")
    page.locator("#ask-shares .bar").nth(3).wait_for()
    page.click("#ask-where")
    page.get_by_text("changes most as these move").wait_for()
    stop_at(page, "ask-view", 1.0)


def dance(page: "Page") -> None:
    page.get_by_role("tab", name="Dance").click()
    page.click("#dance-go")
    page.locator("#dance-files a").first.wait_for()
    stop_at(page, "dance-view", 3.3)


def stop_at(page: "Page", where: str, seconds: float) -> None:
    """Stop a view at a moment."""
    view = page.frame_locator(f"#{where} iframe")
    slider = view.locator("input[type=range]")
    slider.wait_for()
    if view.get_by_role("button", name="pause").count():
        view.get_by_role("button", name="pause").click()
    slider.evaluate("(slider, at) => { slider.value = at; slider.dispatchEvent(new Event('input')) }", seconds)


def picture(page: "Page", least: int, most: int) -> Image.Image:
    """All of the page, from ``least`` to ``most`` pixels of its height."""
    width = page.viewport_size["width"]
    height = min(most, max(least, page.evaluate("document.body.scrollHeight")))
    # Not by a picture of the full page, for which views that are out of sight would not be drawn anew.
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)
    taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
    page.set_viewport_size({"width": width, "height": least})
    return taken


def save(name: str, image: Image.Image) -> None:
    path = HERE / f"{name}.png"
    few = image.quantize(COLORS, method=Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.relative_to(ROOT)} {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    from playwright.sync_api import sync_playwright

    with served() as address, tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        files = recordings(Path(folder))
        page = chromium.new_page(viewport={"width": WIDE, "height": 700})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        look(page, files)
        save("app_look", picture(page, 700, 1250))
        ask(page)
        save("app_ask", picture(page, 700, 1250))
        dance(page)
        save("app_dance", picture(page, 700, 1400))
        page.close()
        phone = chromium.new_page(viewport={"width": NARROW, "height": 844})
        phone.set_default_timeout(PATIENCE)
        phone.goto(f"{address}/?__theme=dark")
        shown = []
        look(phone, files)
        shown.append(picture(phone, 844, 1100))
        ask(phone)
        shown.append(picture(phone, 844, 1100))
        both = Image.new("RGB", (2 * NARROW + 20, max(one.height for one in shown)), (255, 255, 255))
        for number, one in enumerate(shown):
            both.paste(one, (number * (NARROW + 20), 0))
        save("app_phone", both)
        chromium.close()


if __name__ == "__main__":
    main()
