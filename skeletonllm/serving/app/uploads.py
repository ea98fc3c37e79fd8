"""What comes in through Gradio: a bounded heap that melts, and nothing that would have to be fetched from elsewhere."""

import asyncio
import time
from pathlib import Path

import gradio as gr
from starlette.types import ASGIApp, Receive, Scope, Send

from skeletonllm.serving.errors import error_response

_ROUTE = "/gradio_api/upload"
# The app reads an upload a moment after it came, and removes it; what is older was never asked for.
_FORGOTTEN_SECONDS = 600.0


class UploadRoom:
    """ASGI middleware that refuses uploads while the folder of unread ones is full.

    Args:
        app: what is guarded.
        folder: where Gradio keeps uploads until they are read.
        most: bytes that it may hold.
    """

    def __init__(self, app: ASGIApp, folder: Path, most: int):
        self.app, self.folder, self.most = app, folder, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith(_ROUTE):
            if await asyncio.to_thread(self._held) > self.most:
                message = "too much was uploaded that nobody has looked at; try again later"
                await error_response(503, message, code="overloaded")(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _held(self) -> int:
        """Bytes of unread uploads; those that were forgotten are removed."""
        oldest, held = time.time() - _FORGOTTEN_SECONDS, 0
        for path in self.folder.rglob("*"):
            try:
                facts = path.stat()
                if not path.is_file():
                    continue
                if facts.st_mtime < oldest:
                    path.unlink()
                else:
                    held += facts.st_size
            except FileNotFoundError:  # it was read meanwhile
                continue
        return held


def fetch_nothing(page: gr.Blocks) -> None:
    """Let no component fetch a file that a client names by an address; Gradio would ask the internet for it."""
    for block in page.blocks.values():
        if hasattr(block, "async_move_resource_to_block_cache"):
            block.async_move_resource_to_block_cache = _at_home(block.async_move_resource_to_block_cache)


def _at_home(move):
    async def moved(path: str | Path | None) -> str | None:
        if path is not None and "://" in str(path):
            raise ValueError("files are uploaded, not named by an address")
        return await move(path)

    return moved
