"""The app on the server of the endpoint: one process, one port, and nothing that leaves the machine."""

import os
from pathlib import Path

import gradio as gr
from fastapi import FastAPI
from markupsafe import Markup

from skeletonllm.serving.app import ask, dance, look, runs
from skeletonllm.serving.app.folders import serve_folders
from skeletonllm.serving.app.guests import Guests
from skeletonllm.serving.app.house import House
from skeletonllm.serving.app.theme import CSS, slot, theme
from skeletonllm.serving.app.uploads import UploadRoom, fetch_nothing
from skeletonllm.serving.engine import Engine
from skeletonllm.serving.limits import Visitors

# Events that may run at once; the engine's own queues say who waits.
_EVENTS = 64


def mount_app(server: FastAPI, engine: Engine, visitors: Visitors, runs_folder: Path | None = None) -> FastAPI:
    """Put the app at the root of a server, behind all routes that it has.

    Args:
        server: of the endpoint.
        engine: answers, draws and dances.
        visitors: give each guest a folder, and take it away.
        runs_folder: below which runs and results may be looked at; None: none.
    """
    # Gradio keeps uploads there until the app has read them, a moment later; it goes away with the visitors' folders.
    uploads = visitors.root / "uploads"
    uploads.mkdir(mode=0o700, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    house = House(engine, Guests(visitors), runs_folder)
    server.include_router(serve_folders(visitors))
    server.add_middleware(UploadRoom, folder=uploads, most=engine.limits.uploading_bytes)
    return gr.mount_gradio_app(
        server, blocks(house), path="/", theme=theme(), css_paths=CSS, footer_links=[], ssr_mode=False,
        show_error=False, max_file_size=engine.limits.upload_bytes, enable_monitoring=False, run_history=False,
    )  # fmt: skip


def blocks(house: House) -> gr.Blocks:
    """The page."""
    with gr.Blocks(analytics_enabled=False, title="skeletonllm", fill_width=True) as page:
        slot("top", Markup("<h1>skeletonllm</h1><p>{}</p>").format(house.engine.description))
        with gr.Tab("Look", elem_id="tab-look"):
            look.build(house)
        with gr.Tab("Ask", elem_id="tab-ask") as asking:
            ask.build(house, asking)
        with gr.Tab("Dance", elem_id="tab-dance"):
            dance.build(house)
        with gr.Tab("Runs", elem_id="tab-runs") as running:
            runs.build(house, running)

        def enter(request: gr.Request) -> None:
            house.guests.of(request.session_hash).scheme = request.query_params.get("__theme")

        def leave(request: gr.Request) -> None:
            house.guests.leave(request.session_hash)

        page.load(enter, show_progress="hidden", api_visibility="private")
        page.unload(leave)
    fetch_nothing(page)
    page.queue(default_concurrency_limit=_EVENTS, max_size=house.engine.limits.waiting * 4, api_open=False)
    return page
