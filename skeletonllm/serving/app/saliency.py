"""Where a model looked: how much an answer hangs on each joint, by the renderer's own gradient."""

from dataclasses import replace

import numpy as np
import torch

from skeletonllm.models.trained import Trained
from skeletonllm.serving.app.view import View, view_of_sequence
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence

# Bodies are grey under the heat, which would be lost among colours.
_GREY, _HEAT = 0.72, (0.92, 0.25, 0.05)
# The strongest tenth of a percent would leave all others dark.
_FULL = 0.98


def joint_saliency(trained: Trained, clip: Clip, question: str, answer: str) -> np.ndarray:
    """How steeply the log-likelihood of an answer changes as joints move: |d log p / d joint| through the pictures.

    The gradient goes from the answer through the language model, the vision tower and the renderer to the joints; no
    weight of the model gains one.

    Args:
        trained: who answered.
        clip: what it was shown.
        question, answer: as they were put.

    Returns:
        (N, P, J) float32, nats per token and metre; 0 for joints that are not known.

    Raises:
        ValueError: a question that holds frame tokens.
    """
    model = trained.model
    inputs = {name: value.to(model.device) for name, value in trained.processor([clip], [question], [answer]).items()}
    joints = inputs["clips"].joints.requires_grad_()
    with torch.enable_grad():
        loss = model(**inputs).sample_losses.sum()
        (gradient,) = torch.autograd.grad(loss, joints)
    steep = gradient[0].float().norm(dim=-1) * inputs["clips"].valid[0]
    return torch.nan_to_num(steep).cpu().numpy()


def saliency_view(sequence: SkeletonSequence, clip: Clip, saliency: np.ndarray, title: str) -> View:
    """A recording in grey, hot where an answer hangs on it; between the frames that were looked at by straight lines.

    Args:
        sequence: T frames.
        clip: N frames of it.
        saliency: (N, P, J), see ``joint_saliency``.
        title: of the view.
    """
    seen = saliency[saliency > 0]
    full = float(np.quantile(seen, _FULL)) if len(seen) else 1.0
    share = np.clip(saliency / full, 0, 1).reshape(len(saliency), -1)
    times = np.arange(sequence.num_frames) / sequence.fps
    heat = np.stack([np.interp(times, clip.times.numpy(), column) for column in share.T], -1)
    view = view_of_sequence(sequence, title, joint_heat=heat.reshape(sequence.joints.shape[:3]))
    return replace(view, colors=np.full_like(view.colors, _GREY), heat_color=_HEAT, trails=())


def most_salient(sequence: SkeletonSequence, saliency: np.ndarray, count: int = 3) -> list[str]:
    """The names of the joints that an answer hangs on most, over all frames and persons."""
    total = saliency.sum((0, 1))
    return [sequence.topology.joints[joint].replace("_", " ") for joint in np.argsort(-total)[:count] if total[joint]]
