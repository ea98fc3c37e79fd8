"""Gradients: where a picture that is not as wanted pulls the joints, and where they end when they follow."""

from dataclasses import dataclass, replace

import canvas
import numpy as np
import torch
from anatomy import own_bones
from PIL import Image
from scenes import Seen, action, moment, render, untrained
from torch.nn.functional import avg_pool2d

from skeletonllm.models.shipped import load_shipped
from skeletonllm.rendering.draction import DrAction
from skeletonllm.skeleton.kinematics import axis_angle_to_matrix, forward_kinematics
from skeletonllm.skeleton.sequence import Clip
from skeletonllm.skeleton.synthesis import synthesize
from skeletonllm.tasks.recognition import build_prompt

SIZE = 96  # pixels, of the pictures that are compared
STEPS, SHOWN = 60, (0, 5, 15, 60)
WRONG = 0.4  # radians, the standard deviation of the angles by which the start is wrong
LEARNING_RATE = 0.05  # radians per step, at most about
GREY, ARROW = 0.7, (255, 200, 40, 255)
# An arm that is wholly elsewhere overlaps with nothing: coarse pictures, too, say where to go.
WINDOWS = (1, 4, 8, 16, 32)


@dataclass(frozen=True)
class Fit:
    """A pose on its way.

    Args:
        wanted, start: clips of one frame.
        poses: (S, J, 3) metres after each of the steps in ``SHOWN``.
        losses: of the same.
        pulls: (J, 3) minus the gradient of the loss with respect to the joints, at the start.
    """

    wanted: Clip
    start: Clip
    poses: torch.Tensor
    losses: list[float]
    pulls: torch.Tensor


def turned(start: Clip, turns: torch.Tensor) -> torch.Tensor:
    """The pose (J, 3) whose joints are turned from the start by axis times radians (J, 3); bones keep their lengths."""
    pose, parents = start.joints[0, 0], list(start.topology.parents)
    root = parents.index(-1)
    offsets = pose - pose[[max(parent, 0) for parent in parents]]
    return forward_kinematics(axis_angle_to_matrix(turns), offsets, start.topology.parents, pose[root])[0]


def drawn(renderer: DrAction, wanted: Clip, start: Clip, pose: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    """(3, 3, size, size): what is wanted, the start and the pose (J, 3), before one camera that sees all of them."""
    joints = torch.cat([wanted.joints, start.joints, pose[None, None]])
    valid = torch.cat([wanted.valid, start.valid, start.valid])
    return renderer(
        joints[None], torch.zeros_like(joints[None]), valid[None], image_size=size, backend="cpu",
        topology=wanted.topology,
    )[0]  # fmt: skip


def difference(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of pictures (3, H, W), summed over windows of several sizes, the wider the weightier."""
    total = one.new_zeros(())
    for side in WINDOWS:
        means = [avg_pool2d(picture, side, max(1, side // 4), side // 2) for picture in (one, other)]
        total = total + side * (means[0] - means[1]).square().mean()
    return total


def fit(steps: int = STEPS) -> Fit:
    """A pose all of whose joints are turned wrongly follows the gradient of a picture of the right one, by Adam."""
    wanted = moment(action("raise both arms", 9, yaw=20), 2)
    wrong = WRONG * torch.randn(wanted.topology.num_joints, 3, generator=torch.Generator().manual_seed(2))
    start = replace(wanted, joints=turned(wanted, wrong)[None, None])
    renderer = untrained(modulator="none").requires_grad_(False)
    turns = torch.zeros(start.topology.num_joints, 3, requires_grad=True)
    optimizer = torch.optim.Adam([turns], lr=LEARNING_RATE)
    poses, losses, pulls = [], [], torch.empty(0)
    for step in range(steps + 1):
        pose = turned(start, turns)
        pose.retain_grad()
        pictures = drawn(renderer, wanted, start, pose)
        loss = difference(pictures[2], pictures[0])
        optimizer.zero_grad()
        loss.backward()
        if step in SHOWN:
            poses.append(pose.detach())
            losses.append(loss.item())
        if step == 0:
            pulls = -pose.grad
        optimizer.step()
    return Fit(wanted, start, torch.stack(poses), losses, pulls)


def _arrows(clip: Clip, pulls: torch.Tensor, size: int, longest: float) -> Image.Image:
    """The picture of a frame with an arrow at each joint along ``pulls`` (J, 3), the longest so many pixels."""
    seen = Seen.of(clip, size)
    # +x of the world is to the left of the picture, y goes down in it.
    flat = pulls[:, :2].numpy() * [-1.0, -1.0]
    flat = flat * longest / max(float(np.linalg.norm(flat, axis=-1).max()), 1e-12)
    grey = render(untrained(), clip, size)[0].mean(0, keepdim=True).expand(3, -1, -1)
    lines = canvas.Lines(canvas.picture(GREY * grey))
    for start, way in zip(seen.centers, flat, strict=False):
        lines.arrow(start, start + way, ARROW)
    return lines.image()


def gradient() -> Image.Image:
    """The bones that are wrong, the arrows along which the joints are pulled, and the picture that is wanted."""
    found = fit(steps=0)
    size = 216
    panels = [own_bones(found.start, size), _arrows(found.start, found.pulls, size, 40.0)]
    panels.append(canvas.picture(render(untrained(modulator="none"), found.wanted, size)[0]))
    return canvas.grid([panels], titles=["the wrong pose", "where the loss pulls its joints", "the picture wanted"])


def fitting() -> Image.Image:
    """The pose after some steps, before the camera that sees all of them."""
    found = fit()
    renderer = untrained(modulator="none")
    with torch.no_grad():
        drawn_poses = [drawn(renderer, found.wanted, found.start, pose, 152) for pose in found.poses]
    row = canvas.pictures(torch.stack([three[2] for three in drawn_poses] + [drawn_poses[0][0]]))
    titles = ["start", *(f"{steps} steps" for steps in SHOWN[1:]), "wanted"]
    return canvas.grid([row], titles=titles)


def answer() -> Image.Image:
    """How the joints of some frames would have to move for the shipped model to find its right answer likelier."""
    trained = load_shipped()
    sequence = synthesize("wave left hand", performer=1, noise=0.0, yaw=0.0)
    clip = trained.processor.sample(sequence)
    inputs = trained.processor([clip], [build_prompt(trained.labels)], [sequence.label])
    joints = inputs["clips"].joints.requires_grad_()
    likelihood = -trained.model(**inputs).sample_losses.sum()
    (pulls,) = torch.autograd.grad(likelihood, joints)
    # One length for all frames: the longest arrow of the clip.
    flat = pulls[0, :, 0, :, :2].norm(dim=-1).amax(1)
    frames = [1, 4, 6, 8, 11]
    row = [
        _arrows(moment(clip, frame), pulls[0, frame, 0], 152, 36.0 * float(flat[frame] / flat.max()))
        for frame in frames
    ]
    return canvas.grid([row], titles=[f"frame {frame + 1} of {clip.num_frames}" for frame in frames])


FIGURES = {"draw_gradient": gradient, "draw_fitting": fitting, "draw_answer": answer}
