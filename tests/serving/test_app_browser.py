"""The app in a real browser: files go in, bodies move, answers stream, a dance comes out, and nothing leaves."""

import importlib.util
import shutil
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from browsing import PATIENCE, canvas, go_to, needed, view_in
from kinect_file import kinect_text
from running_server import held, serving, until

from skeletonllm.dance.body import default_body
from skeletonllm.dance.codecs import read_motion
from skeletonllm.dance.denoiser import Denoiser, DenoiserConfig
from skeletonllm.dance.generator import Generator
from skeletonllm.dance.metrics import Performance
from skeletonllm.dance.normalizer import Normalizer
from skeletonllm.dance.synthesis import make_dance, make_song
from skeletonllm.skeleton.formats import write_coco, write_skeleton
from skeletonllm.skeleton.synthesis import synthesize

HOSTILE = "<img src=x onerror=document.title='pwned'>.bvh"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """BVH, Kinect and COCO, as their programs write them."""
    folder = tmp_path_factory.mktemp("recordings")
    paths = [folder / "kick.bvh", folder / "S001C001P001R001A050.skeleton", folder / "wave.json"]
    write_skeleton(synthesize("kick", performer=50, topology="smpl_22"), paths[0])
    paths[1].write_text(kinect_text(synthesize("shake hands", performer=51, topology="kinect_v2")))
    write_coco(synthesize("clap", performer=52, topology="coco_17"), paths[2])
    return paths


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """The folder of a generator that was never trained: it dances badly, but it dances."""
    torch.manual_seed(0)
    config = DenoiserConfig(width=16, layers=1, music_layers=1, heads=2, feed_forward=16, music_features=35, frames=60)
    normalizer = Normalizer.fit([make_dance(make_song(0, 10, 120), 0).to_vector()])
    folder = tmp_path_factory.mktemp("generator")
    Generator(Denoiser(config), normalizer, None).save(folder)
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, start in (("first", 2.0), ("second", 3.0)):
        (folder / name).mkdir()
        (folder / name / "recipe.json").write_text(f'{{"name": "{name}"}}')
        lines = (f'{{"step": {step}, "loss": {start / step}, "stage": "warm"}}\n' for step in range(1, 9))
        (folder / name / "log.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def running(browser, generator, runs, tmp_path_factory):
    from skeletonllm.serving.app import mount_app
    from skeletonllm.serving.engine import Engine

    engine = Engine(generator=generator)
    with serving(engine, tmp_path_factory.mktemp("visitors"), mount=partial(mount_app, runs_folder=runs)) as running:
        yield running
    engine.close()


@pytest.fixture
def page(browser, running):
    """A visitor's page, of which is known what it asked for and what went wrong in it."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto(running.url)
    page.locator("#look-files input[type=file]").wait_for(state="attached")
    yield page
    page.close()


def test_three_formats_are_understood_and_seen_moving_and_can_be_turned(page, files):
    page.set_input_files("#look-files input[type=file]", files)
    cards = page.locator("#look-facts .card")
    cards.nth(1).wait_for()
    assert not page.locator("#look-problems .warning").count()
    assert cards.locator("dd").first.inner_text() == "bvh"
    persons = [card.locator("dt:text-is('persons') + dd").inner_text() for card in cards.all()]
    assert persons == ["1", "2"]
    drawn = page.locator("#look-drawn img")
    drawn.nth(1).wait_for()
    # Six frames of 224 pixels side by side, once they are loaded.
    until(lambda: min(drawn.evaluate_all("images => images.map(image => image.naturalWidth)")) > 6 * 224)
    first = canvas(page, "look-view")
    clock = view_in(page, "look-view").locator("output")
    before, time = first.screenshot(), clock.inner_text()
    until(lambda: clock.inner_text() != time)
    assert first.screenshot() != before, "it does not move"
    view_in(page, "look-view").get_by_role("button", name="pause").click()
    still = first.screenshot()
    assert first.screenshot() == still, "it moves although it is paused"
    box = first.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 150, steps=3)
    page.mouse.up()
    assert first.screenshot() != still, "it cannot be turned"
    page.locator("#look-first input").click()
    # Before the chosen one there is a tick.
    offered = [text.split()[-1] for text in page.get_by_role("option").all_inner_texts()]
    assert offered == [path.name for path in files]
    assert not page.wrong


def test_an_answer_comes_word_by_word_and_candidates_have_bars(page):
    go_to(page, "Ask")
    canvas(page, "ask-view")
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => {
            const answers = document.querySelectorAll('#ask-chat .bot .message, #ask-chat .message.bot');
            const text = answers.length ? answers[answers.length - 1].innerText.trim() : '';
            if (text && window.seen.at(-1) !== text) window.seen.push(text);
        }).observe(document.querySelector('#ask-chat'), {subtree: true, childList: true, characterData: true}) }"""
    )
    page.fill("#ask-text textarea", "Describe the motion.")
    page.click("#ask-send")
    page.wait_for_function("window.seen.length > 3")
    page.wait_for_function("!document.querySelector('#ask-status .doing')")
    words = [text for text in page.evaluate("window.seen") if text != "…"]
    assert all(later.startswith(earlier) for earlier, later in zip(words, words[1:], strict=False))
    assert len(words[-1]) > len(words[0])

    page.fill("#ask-candidates textarea", "kick\n<b>wave</b>\nsit down")
    page.fill("#ask-text textarea", "")
    page.click("#ask-send")
    bars = page.locator("#ask-shares .bar")
    bars.nth(2).wait_for()
    assert sorted(bars.locator("bdi").all_inner_texts()) == ["<b>wave</b>", "kick", "sit down"]
    shares = [float(text.rstrip(" %")) for text in bars.locator("b").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=0.2)  # each is rounded to a tenth

    page.click("#ask-where")
    page.get_by_text("changes most as these move").wait_for()
    assert "where" in view_in(page, "ask-view").locator("figcaption").inner_text()
    assert not page.wrong


def test_times_in_a_long_recording_can_be_clicked(page, tmp_path):
    parts = [synthesize(label, performer=53, topology="coco_17", seconds=5.0) for label in ("squat", "clap", "kick")]
    long = parts[0].replace(
        joints=np.concatenate([part.joints for part in parts]), valid=np.concatenate([part.valid for part in parts])
    )
    write_skeleton(long, tmp_path / "long.npz")
    go_to(page, "Ask")
    canvas(page, "ask-view")
    with page.expect_file_chooser() as chooser:
        page.click("#ask-files")
    chooser.value.set_files(tmp_path / "long.npz")
    view_in(page, "ask-view").locator("figcaption", has_text="long.npz").wait_for()
    page.fill("#ask-text textarea", "")
    page.click("#ask-send")
    marks = view_in(page, "ask-view").locator("#marks button")
    marks.first.wait_for()
    last = marks.last
    begin = float(last.inner_text().split(" s")[0])
    view_in(page, "ask-view").get_by_role("button", name="pause").click()
    last.click()
    clock = view_in(page, "ask-view").locator("output")
    # The button is rounded to a tenth of a second.
    until(lambda: abs(float(clock.inner_text().split(" /")[0]) - begin) < 0.06)


def test_a_dance_is_seen_with_its_music_and_a_simulated_body_measured_and_taken_home(page, tmp_path):
    needed(importlib.util.find_spec("mujoco"), "mujoco")
    go_to(page, "Dance")
    page.fill("#dance-seconds input[type=number]", "4")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="More").click()
    steps = page.get_by_label("number input for Steps of sampling")
    steps.fill("3")
    steps.press("Tab")
    page.click("#dance-go")
    page.locator("#dance-files a").first.wait_for()
    with page.expect_download() as saved:
        page.locator("#dance-files a", has_text="BVH").click()
    saved.value.save_as(tmp_path / "dance.bvh")
    motion = read_motion(tmp_path / "dance.bvh", default_body())
    assert motion.num_frames == 4 * 30
    Performance(motion, default_body())
    assert page.locator("#dance-files a").all_inner_texts() == ["BVH", "GLB", "NPZ"]
    assert page.locator("#dance-metrics tr").count() == 6
    heads = page.locator("#dance-metrics tr").first.locator("th").all_inner_texts()
    assert heads == ["", "as made", "feet on the floor", "simulated body"]
    assert page.locator("#dance-metrics .card dt", has_text="got through it").count() == 1
    canvas(page, "dance-view", 2)
    between = view_in(page, "dance-view").locator("canvas").nth(1)
    assert not between.is_visible()
    view_in(page, "dance-view").get_by_role("button", name="feet on the floor").click()
    between.wait_for()
    play = view_in(page, "dance-view").get_by_role("button", name="play")
    play.click()
    clock = view_in(page, "dance-view").locator("output")
    until(lambda: not clock.inner_text().startswith("0.00"))
    assert not page.wrong


def test_a_dance_can_be_stopped(page, running):
    go_to(page, "Dance")
    page.fill("#dance-seconds input[type=number]", "60")
    page.keyboard.press("Tab")
    before = running.engine.counts["dances"]
    with held(running.engine.pictures) as entered:
        page.click("#dance-go")
        assert entered.wait(60)
        page.click("#dance-stop")
        page.locator("#dance-status", has_text="Stopped.").wait_for()
    until(lambda: running.engine.pictures.running == 0)
    assert running.engine.counts["dances"] == before and not page.locator("#dance-files a").count()


def test_runs_are_compared_on_one_page(page):
    go_to(page, "Runs")
    page.locator("#runs-chosen input").click()
    page.get_by_role("option", name="first").click()
    page.get_by_role("option", name="second").click()
    page.keyboard.press("Escape")
    page.click("#runs-compare")
    report = view_in(page, "runs-page")
    report.locator("svg").first.wait_for()
    assert {"first", "second"} <= set(report.locator(".key span").first.locator("xpath=..").inner_text().split())


def test_what_files_are_called_and_say_is_never_run(page, files, tmp_path):
    shutil.copy(files[0], tmp_path / HOSTILE)
    (tmp_path / "broken.json").write_text("<script>document.title='pwned'</script>")
    page.set_input_files("#look-files input[type=file]", [tmp_path / HOSTILE, tmp_path / "broken.json"])
    page.locator("#look-problems .warning", has_text="broken.json").wait_for()
    canvas(page, "look-view")
    assert page.title() == "skeletonllm"
    assert not page.locator("img[src='x']").count()


def test_nothing_is_asked_of_anybody_else(page, files):
    page.set_input_files("#look-files input[type=file]", files[:1])
    page.locator("#look-drawn img").wait_for()
    for tab in ("Ask", "Dance", "Runs"):
        go_to(page, tab)
    page.wait_for_timeout(500)
    assert len(page.asked) > 10
    hosts = {urlsplit(url).hostname for url in page.asked if urlsplit(url).scheme not in ("data", "blob", "about")}
    assert hosts == {"127.0.0.1"}


def test_who_leaves_leaves_nothing_behind(browser, running, files):
    def left() -> list[str]:
        return [str(path) for path in running.visitors.root.rglob("*") if path.is_file()]

    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(running.url)
    page.set_input_files("#look-files input[type=file]", files[:1])
    page.locator("#look-drawn img").wait_for()
    address = page.locator("#look-drawn img").get_attribute("src")
    assert not [path for path in left() if path.endswith(".bvh")], "an upload is kept that was read already"
    with running.client() as client:
        assert client.get(f"/{address}").status_code == 200
        page.close()
        until(lambda: client.get(f"/{address}").status_code == 404)


def test_folders_of_visitors_cannot_be_walked(running):
    folder = running.visitors.open()
    (folder / "1-view.html").write_text("for whoever knows the folder")
    (running.visitors.root / "1-secret.html").write_text("secret")
    (running.visitors.root / "uploads" / "1-secret.html").write_text("secret")
    with running.client() as client:
        assert client.get(f"/visits/{folder.name}/1-view.html").text == "for whoever knows the folder"
        for path in (
            f"{folder.name}/..%2f1-secret.html", f"{folder.name}/../1-secret.html", "%2e/1-secret.html",
            "..%2f1-secret.html", "uploads/1-secret.html", f"{folder.name}%2f../1-secret.html",
        ):  # fmt: skip
            assert client.get(f"/visits/{path}").text != "secret"
