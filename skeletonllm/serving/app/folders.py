"""What was made for a guest, by HTTP: from a folder whose name nobody can guess, and only while the guest is there."""

import re
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from skeletonllm.serving.app.guests import VISITS
from skeletonllm.serving.limits import Visitors

_FOLDER = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[0-9]+-[\w.-]+")
# What a browser may show; everything else is saved.
_SHOWN = {".html": "text/html; charset=utf-8", ".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4"}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


def serve_folders(visitors: Visitors) -> APIRouter:
    """Routes to the files of guests."""
    router = APIRouter()

    @router.get(f"/{VISITS}/{{folder}}/{{name}}", include_in_schema=False)
    def file(folder: str, name: str) -> FileResponse:
        path = visitors.root / folder / name
        if not (_FOLDER.fullmatch(folder) and _NAME.fullmatch(name) and path.is_file()):
            raise HTTPException(404, "no such file, or not any more")
        return _response(path)

    return router


def _response(path: Path) -> FileResponse:
    kind = _SHOWN.get(path.suffix)
    saved_as = path.name.partition("-")[2]
    if kind is None:
        return FileResponse(path, headers=_HEADERS, media_type="application/octet-stream", filename=saved_as)
    return FileResponse(path, headers=_HEADERS, media_type=kind)
