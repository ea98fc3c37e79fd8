"""A page that plays views: works offline and on a phone, loads nothing, and runs nothing that a file says."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

import numpy as np

from skeletonllm.serving.app.view.bodies import View

# Places of points are sent as 16-bit numbers; this one says that a point is not known.
_UNKNOWN = -32768
_LARGEST = 32000


@dataclass(frozen=True)
class Sound:
    """What is heard with a view: the bytes of a sound file, and their type, such as ``audio/wav``."""

    data: bytes
    kind: str = "audio/wav"


def page(
    views: Sequence[View], *, sound: Sound | None = None, playing: bool = True, shown: Sequence[int] | None = None
) -> str:
    """An HTML page with views side by side, which share a clock and a camera that can be turned by hand.

    Args:
        views: one or more.
        sound: is heard along with them; browsers wait for a click before they play any.
        playing: whether it moves at once, where nothing is to be heard and the visitor's system does not ask for
            less motion.
        shown: numbers of the views that are seen at first, all by default. Of more than two each can be put in and out.

    Raises:
        ValueError: no views, or none that is seen.
    """
    seen = set(range(len(views))) & set(range(len(views)) if shown is None else shown)
    if not seen:
        raise ValueError("no views to show")
    script, style = _asset("viewer.js"), _asset("viewer.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )
    told = {
        "playing": playing,
        "sound": None if sound is None else f"data:{sound.kind};base64,{_base64(sound.data)}",
        "views": [_sent(view) | {"seen": number in seen} for number, view in enumerate(views)],
    }
    # No text of a file may end the element that it stands in.
    data = json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(', '.join(view.title for view in views))}</title><style>{style}</style></head>",
        f'<body><script type="application/json" id="show">{data}</script>',
        '<div id="stage"></div><div id="choices"></div><div id="controls"></div><div id="marks"></div>',
        f"<script>{script}</script></body></html>",
    ]
    return "\n".join(parts)


def _sent(view: View) -> dict:
    """A view as the script takes it: places are 16-bit numbers times a scale, around a middle."""
    known = np.isfinite(view.points).all(-1)
    middle = view.points[known].mean(0) if known.any() else np.zeros(3)
    away = np.where(known[..., None], view.points - middle, 0.0)
    scale = max(float(np.abs(away).max(initial=0.0)), 1e-6) / _LARGEST
    places = np.where(known[..., None], np.round(away / scale), _UNKNOWN).astype("<i2")
    heat = None if view.heat is None else _base64((np.clip(view.heat, 0, 1) * 255).round().astype(np.uint8).tobytes())
    return {
        "title": view.title,
        "fps": view.fps,
        "frames": len(view.points),
        "count": view.points.shape[1],
        "middle": middle.astype(float).round(5).tolist(),
        "scale": scale,
        "places": _base64(places.tobytes()),
        "ends": view.capsules.tolist(),
        "radii": np.asarray(view.radii, float).round(4).tolist(),
        "colors": (np.asarray(view.colors) * 255).round().astype(int).tolist(),
        "floor": round(view.floor, 4),
        "trails": list(view.trails),
        "heat": heat,
        "heatColor": [round(255 * part) for part in view.heat_color],
        "marks": [{"start": mark.start, "stop": mark.stop, "label": mark.label} for mark in view.marks],
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@cache
def _asset(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
