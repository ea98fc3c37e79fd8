"""Where a dance is seen: a camera that looks down a little, and a floor of tiles that passes under it."""

from dataclasses import dataclass

import numpy as np
import torch

from skeletonllm.dance.codecs.axes import RECORDING_TO_DANCE
from skeletonllm.dance.series import smooth
from skeletonllm.rendering.camera import frame_clips
from skeletonllm.skeleton.kinematics import axis_rotation

# How far the camera looks down, degrees.
_PITCH = 14.0
# Seconds: the camera follows the way of the pelvis, not every step.
_FOLLOW = 0.6

_TILE = 0.5  # metres
_TILES = ((0.50, 0.51, 0.53), (0.42, 0.43, 0.45))
_BACKDROP = ((0.20, 0.22, 0.26), (0.33, 0.35, 0.39))  # above and at the horizon
# Metres from the dancer between which the floor passes into the backdrop.
_FADE = (2.5, 9.0)

# The shadow is soft, and computed for every fourth pixel each way.
_COARSE = 4
_SHADOW = 0.75  # of the light, where it is darkest
_SHADOW_SPREAD, _SHADOW_FALLOFF = 0.12, 0.3  # metres wider per metre of height; metres of height at which it has faded


@dataclass(frozen=True, eq=False)
class Stage:
    """A camera for a whole clip, and what it sees of the floor.

    Args:
        path: (T, 3) metres, where in the recording's axes (Y up, Z away) the camera's aim is over the floor.
        turn: (3, 3) from these axes to the camera's.
        shift: (3,) metres, in the camera's frame.
        intrinsics: (3, 3), of square pictures.
        size: their side, pixels.
    """

    path: np.ndarray
    turn: np.ndarray
    shift: np.ndarray
    intrinsics: np.ndarray
    size: int

    @classmethod
    def around(cls, points: np.ndarray, pelvis: np.ndarray, fps: float, size: int, follow: bool) -> "Stage":
        """A camera that has all points (T, N, 3) of a dance in view; with ``follow`` it goes along with the pelvis
        (T, 3), with soft starts and stops."""
        path = np.zeros((len(points), 3))
        if follow:
            for axis in (0, 2):
                path[:, axis] = smooth((pelvis @ RECORDING_TO_DANCE)[:, axis], _FOLLOW * fps)
        turn = axis_rotation(0, np.radians(-_PITCH))
        seen = torch.from_numpy((points @ RECORDING_TO_DANCE - path[:, None]) @ turn.T)[None, :, None]
        shift, intrinsics, _ = frame_clips(seen, torch.ones(seen.shape[:-1], dtype=torch.bool), size, size)
        return cls(path, turn, shift[0, 0].numpy(), intrinsics[0].numpy(), size)

    def place(self, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Points (n, N, 3) of a dance in these frames (n,), in the camera's frame."""
        return (points @ RECORDING_TO_DANCE - self.path[frames, None]) @ self.turn.T + self.shift

    def over_floor(self, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """(n, N, 2) metres: where points of a dance are over the floor, as ``floor`` measures it."""
        return (points @ RECORDING_TO_DANCE - self.path[frames, None])[..., [0, 2]]

    def project(self, placed: np.ndarray) -> np.ndarray:
        """Pixels (..., 2), column and row, of places (..., 3) in the camera's frame."""
        x, y, z = np.moveaxis(placed, -1, 0)
        camera = self.intrinsics
        return np.stack([camera[0, 0] * x / z + camera[0, 2], camera[1, 2] - camera[1, 1] * y / z], -1)

    def floor(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(R, C, 2) metres, x and z in the recording's axes from the camera's aim, of the floor in these pixels; NaN
        above the horizon."""
        camera = self.intrinsics
        x, y = np.meshgrid((columns - camera[0, 2]) / camera[0, 0], (camera[1, 2] - rows) / camera[1, 1])
        rays = np.stack([x, y, np.ones_like(x)], -1) @ self.turn
        eye = -self.shift @ self.turn
        with np.errstate(divide="ignore"):
            length = np.where(rays[..., 1] < 0, -eye[1] / rays[..., 1], np.nan)
        return (eye + rays * length[..., None])[..., [0, 2]]


class Floor:
    """Draws what is behind the dancer."""

    def __init__(self, stage: Stage):
        pixels = np.arange(stage.size)
        self._path = stage.path[:, [0, 2]].astype(np.float32)
        places = stage.floor(pixels, pixels)
        self._below = np.isfinite(places[..., 0])
        places = np.nan_to_num(places)
        # Metres of floor in a pixel: tiles smaller than that are blurred.
        steps = [np.abs(np.gradient(places, axis=axis)) for axis in (0, 1)] if stage.size > 1 else [places, places]
        self._footprint = (np.maximum(steps[0] + steps[1], 1e-6) / _TILE).astype(np.float32)
        self._places = places.astype(np.float32)
        low, high = _FADE
        distance = np.where(self._below, np.linalg.norm(places, axis=-1), high)
        share = np.clip((distance - low) / (high - low), 0, 1)
        self._fade = (share * share * (3 - 2 * share)).astype(np.float32)[..., None]
        horizon = np.linspace(0, 1, stage.size, dtype=np.float32)[:, None, None]
        above, at = (np.array(color, np.float32) for color in _BACKDROP)
        self._backdrop = np.minimum(above + (at - above) * np.minimum(2.2 * horizon, 1), 1) * np.ones_like(self._fade)
        coarse = np.arange(-(-stage.size // _COARSE)) * _COARSE + (_COARSE - 1) / 2
        self._coarse = stage.floor(coarse, coarse).astype(np.float32)

    def draw(self, frames: np.ndarray, feet: np.ndarray, heights: np.ndarray, radii: np.ndarray) -> np.ndarray:
        """(n, S, S, 3) in [0, 1]: the floor in these frames (n,).

        Args:
            frames: (n,) of the clip.
            feet: (n, K, 2) where, from the camera's aim, the pieces of the body are over the floor.
            heights: (n, K) metres above it.
            radii: (K,) metres.
        """
        light = 1 - _SHADOW * self._shadows(feet.astype(np.float32), heights, radii)
        first, second = (np.array(color, np.float32) for color in _TILES)
        pictures = np.empty((len(frames), *self._backdrop.shape), np.float32)
        for picture, frame, shade in zip(pictures, frames, light, strict=True):
            tiles = self._tiles(self._places + self._path[frame])[..., None]
            floor = (first + (second - first) * tiles) * shade[..., None]
            picture[:] = floor + (self._backdrop - floor) * self._fade
        return pictures

    def _tiles(self, places: np.ndarray) -> np.ndarray:
        """(S, S) in [0, 1]: which of the two colours, mixed where a pixel covers both."""
        across = places / _TILE
        whole = np.floor(across)
        edge = 0.5 - np.abs(across - whole - 0.5)
        wave = np.minimum(edge / self._footprint, 0.5) * (1 - 2 * (whole % 2))
        return 0.5 + 2 * wave[..., 0] * wave[..., 1]

    def _shadows(self, feet: np.ndarray, heights: np.ndarray, radii: np.ndarray) -> np.ndarray:
        """(n, S, S) in [0, 1]."""
        heights = np.maximum(heights, 0).astype(np.float32)
        widths = radii.astype(np.float32) + _SHADOW_SPREAD * heights
        strengths = np.exp(-heights / _SHADOW_FALLOFF)
        coarse = np.zeros((len(feet), *self._coarse.shape[:2]), np.float32)
        near = np.isfinite(self._coarse[..., 0]) & (np.linalg.norm(self._coarse, axis=-1) < _FADE[1])
        pixels = self._coarse[near]
        for picture, at, width, strength in zip(coarse, feet, widths, strengths, strict=True):
            squares = np.square(pixels[:, None] - at).sum(-1)
            picture[near] = 1 - np.exp(-(strength * np.exp(-0.5 * squares / width**2)).sum(-1))
        fine = torch.nn.functional.interpolate(torch.from_numpy(coarse)[:, None], scale_factor=_COARSE, mode="bilinear")
        side = self._backdrop.shape[0]
        return fine[:, 0, :side, :side].numpy()
