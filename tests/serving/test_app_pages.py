"""The page of the app elsewhere than on a desk by day: by night, on a telephone, and behind a token."""

from functools import partial

import pytest
from browsing import PATIENCE, canvas, go_to, view_in
from running_server import serving

from skeletonllm.serving.app.theme import in_scheme

TOKEN = "correct horse battery staple".replace(" ", "-")
TABS = ("Look", "Ask", "Dance", "Runs")


@pytest.fixture(scope="module")
def mounted(browser, engine, tmp_path_factory):
    """Starts an app on a server, with a token or without."""
    from skeletonllm.serving.app import mount_app

    def start(**options):
        mount = partial(mount_app, runs_folder=tmp_path_factory.mktemp("runs"))
        return serving(engine, tmp_path_factory.mktemp("visitors"), mount=mount, **options)

    return start


@pytest.fixture(scope="module")
def open_app(mounted):
    with mounted() as running:
        yield running


@pytest.fixture
def visit(browser):
    """Opens pages, each of a visitor of its own, and closes them."""
    contexts = []

    def open_page(address, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.answer = page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()


def brightness(element):
    """Of the background, from 0 to 255."""
    color = element.evaluate("element => getComputedStyle(element).backgroundColor")
    return sum(float(part) for part in color.partition("(")[2].rstrip(")").split(",")[:3]) / 3


@pytest.mark.parametrize(
    ("system", "asked", "dark"),
    [("light", "", False), ("dark", "", True), ("light", "?__theme=dark", True), ("dark", "?__theme=light", False)],
)
def test_views_are_as_light_or_dark_as_the_page_around_them(open_app, visit, system, asked, dark):
    page = visit(f"{open_app.url}/{asked}", color_scheme=system)
    page.click("#look-examples")
    canvas(page, "look-view")
    for element in (page.locator("gradio-app"), view_in(page, "look-view").locator("body")):
        assert brightness(element) < 64 if dark else brightness(element) > 192


def test_only_light_and_dark_are_schemes_and_nothing_else_changes_a_page():
    html = ":root { color-scheme: light dark } @media (prefers-color-scheme: dark) { p { color: red } }"
    assert in_scheme(html, None) == in_scheme(html, "<script>") == html
    assert in_scheme(html, "dark") == ":root { color-scheme: dark } @media all { p { color: red } }"
    assert in_scheme(html, "light") == ":root { color-scheme: light } @media not all { p { color: red } }"


def test_a_telephone_shows_everything_in_its_width_with_little_margin(open_app, visit):
    page = visit(open_app.url, viewport={"width": 390, "height": 844}, has_touch=True)
    page.click("#look-examples")
    page.locator("#look-drawn img").nth(1).wait_for()
    for tab in TABS:
        go_to(page, tab)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, tab
    go_to(page, "Look")
    view = page.locator("#look-view iframe").bounding_box()
    assert view["x"] <= 16 and view["width"] >= 390 - 2 * 16


def test_behind_a_token_everything_works_for_who_knows_it(mounted, visit, tmp_path, recordings):
    """Page, uploads, the stream of events, views in frames of their own and pictures: all ask for the token."""
    (tmp_path / "kick.npz").write_bytes(recordings["kick"])
    with mounted(token=TOKEN) as running:
        page = visit(running.url, http_credentials={"username": "anybody", "password": TOKEN})
        statuses, sockets = {}, []
        page.on("response", lambda response: statuses.setdefault(response.url.partition("?")[0], response.status))
        page.on("websocket", lambda socket: sockets.append(socket.url))
        page.set_input_files("#look-files input[type=file]", tmp_path / "kick.npz")
        canvas(page, "look-view")
        page.locator("#look-drawn img").wait_for()
        page.wait_for_function("document.querySelector('#look-drawn img').naturalWidth > 6 * 224")
        go_to(page, "Ask")
        canvas(page, "ask-view")
        page.fill("#ask-text textarea", "Describe the motion.")
        page.click("#ask-send")
        page.wait_for_function("document.querySelector('#ask-chat').innerText.includes('someone')")
        assert any("/visits/" in url for url in statuses) and any("queue/data" in url for url in statuses)
        assert set(statuses.values()) <= {200, 206} and not sockets, statuses


@pytest.mark.parametrize("password", ["", "wrong", TOKEN[:-1], TOKEN.upper()])
def test_a_wrong_token_opens_nothing(mounted, visit, password):
    with mounted(token=TOKEN) as running:
        page = visit(running.url, http_credentials={"username": TOKEN, "password": password})
        assert page.answer.status == 401
        assert not page.locator("#look-files").count()
        for path in ("gradio_api/upload", "gradio_api/queue/join", "config", "v1/models"):
            assert page.request.fetch(f"{running.url}/{path}").status == 401
