"""What a SkeletonLLM says of a dance: how much likelier one text about its pictures is than texts to the contrary.

The reward ``critic`` asks the small model that comes with the package. One's own model, taught one's own texts, is
asked by a reward of one's own, in a file that a recipe names:

from skeletonllm.dance.rewards import reward
from skeletonllm.dance.rewards.critic import make_critic

danced = make_critic("runs/critic", ["a person dances energetically"], ["a person stands still", "a person trembles"])
reward("danced", differentiable=True)(danced)
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from skeletonllm.dance.codecs.axes import RECORDING_TO_DANCE
from skeletonllm.dance.rewards.dances import Dances
from skeletonllm.dance.rewards.human_limits import beyond_human
from skeletonllm.dance.rewards.registry import reward
from skeletonllm.skeleton.placement import DISTANCE, NEAREST
from skeletonllm.skeleton.sequence import VELOCITY_HALF_SPAN, Clip, frame_indices
from skeletonllm.skeleton.topologies import SMPL_24
from skeletonllm.skeleton.transforms import face_camera

if TYPE_CHECKING:
    from skeletonllm.models.trained import Trained

# Of the actions that the small model knows, those in which the whole of one body moves, and all others. Walking is
# among the others: a stiff body that glides looks like it.
ENERGETIC = ("jump", "kick", "punch", "raise both arms", "squat", "turn around")
OTHERS = (
    "bow", "clap", "push", "shake hands", "sit down", "stand up", "walk", "walk apart", "wave left hand",
    "wave right hand",
)  # fmt: skip
# Seconds that one clip shows, about as long as an action is.
_WINDOW = 2.5
# Nats: what is surer than 22,000 to 1 earns next to nothing more, however sure it is.
_SURE = 10.0
LOWEST = -2 * _SURE
"""What is earned by a body that no human being has."""
# Clips that are read at a time; bounds the memory.
_AT_A_TIME = 32


def make_critic(folder: str | Path, texts: Sequence[str], against: Sequence[str]) -> Callable[[Dances], Tensor]:
    """A reward, differentiable: (B,) nats from ``LOWEST`` to 10.

    A dance is cut into pieces of about 2.5 s. Each is drawn by the model's own renderer, the model is asked which of
    all texts it shows, and ln p(any of ``texts``) - ln p(any of ``against``) is its log-odds, smoothly bounded to
    +-10 nats. What the same piece earns when it is held in its middle pose all the time is taken off, if that is above
    0: a pose is no dance, and one that is held never earns more than 0. The reward is the mean over the pieces, drawn
    towards ``LOWEST`` as far as the body leaves what people can do (``human_limits``).

    Args:
        folder: of a trained model or its run; it is read when the reward is first wanted.
        texts: answers that are wished for, such as labels that the model was trained on.
        against: answers to the contrary.

    Raises:
        ValueError: no texts on one side, or one on both.
    """
    texts, against = tuple(texts), tuple(against)
    both = set(texts) & set(against)
    if not texts or not against or both:
        raise ValueError(
            f"critic: {len(texts)} texts against {len(against)}, {sorted(both)} on both sides; expected some on each"
        )

    @cache
    def trained() -> "Trained":
        from skeletonllm.models.trained import load_trained

        found = load_trained(folder)
        found.model.requires_grad_(False)
        return found

    def measure(dances: Dances) -> Tensor:
        said = spoken_of(dances, trained(), texts, against)
        return LOWEST + torch.exp(-beyond_human(dances)).to(said) * (said - LOWEST)

    return measure


@reward(differentiable=True)
def critic(dances: Dances) -> Tensor:
    """(B,) nats: the actions in which a whole body moves against the others, by the small model that comes with the
    package; see ``make_critic``. It never saw a dance, nor anybody stand still."""
    return _shipped()(dances)


@cache
def _shipped() -> Callable[[Dances], Tensor]:
    from skeletonllm.models.shipped import SHIPPED_FOLDER

    return make_critic(SHIPPED_FOLDER, ENERGETIC, OTHERS)


def spoken_of(dances: Dances, trained: "Trained", texts: Sequence[str], against: Sequence[str]) -> Tensor:
    """(B,) nats: the reward of ``make_critic`` without regard to what bodies can do."""
    trained.model.to(dances.vectors.device)
    moving = windows(dances, trained.processor.num_frames)
    clips = [*moving, *(held(clip) for clip in moving)]
    said = torch.cat(
        [
            log_odds(clips[start : start + _AT_A_TIME], trained, texts, against)
            for start in range(0, len(clips), _AT_A_TIME)
        ]
    )
    moved, posed = (_SURE * torch.tanh(said / _SURE)).view(2, len(dances), -1)
    return (moved - posed.relu()).mean(1)


def windows(dances: Dances, frames: int) -> list[Clip]:
    """The dances as clips of so many frames on the CPU, those of the first dance first, as many of each.

    What ``Motion.to_sequence`` and ``sample_clip`` make of each piece, but differentiable.
    """
    turn = torch.as_tensor(RECORDING_TO_DANCE).to(dances.vectors)
    joints = (dances.joints @ turn).float().cpu()  # where batches are made of clips
    pieces = max(1, round(dances.frames / dances.fps / _WINDOW))
    edges = np.linspace(0, dances.frames, pieces + 1).round().astype(int)
    clips = []
    for dance in joints:
        for start, stop in zip(edges[:-1], edges[1:], strict=True):
            clips.append(_clip(_placed(dance[start:stop]), dances.fps, frames))
    return clips


def _placed(joints: Tensor) -> Tensor:
    """Joints (T, J, 3) in front of the camera."""
    with torch.no_grad():
        start = joints[0].mean(0)
        reach = torch.clamp(NEAREST + start[2] - joints[..., 2].min(), min=DISTANCE)
        shift = torch.stack([-start[0], torch.zeros_like(reach), reach - start[2]])
    return joints + shift


def _clip(joints: Tensor, fps: float, frames: int) -> Clip:
    last, step = len(joints) - 1, max(1, round(VELOCITY_HALF_SPAN * fps))
    shown = torch.from_numpy(frame_indices(len(joints), frames))
    after, before = (shown + step).clamp(max=last), (shown - step).clamp(min=0)
    seconds = (after - before).clamp(min=1)[:, None, None] / fps
    velocities = (joints[after] - joints[before]) / seconds
    valid = torch.ones(frames, 1, joints.shape[1], dtype=torch.bool)
    return Clip(joints[shown][:, None], velocities[:, None], valid, shown / fps, SMPL_24)


def held(clip: Clip) -> Clip:
    """The middle frame all the time, at rest."""
    middle = clip.joints[clip.num_frames // 2].expand_as(clip.joints)
    return Clip(middle, torch.zeros_like(middle), clip.valid, clip.times, clip.topology)


def log_odds(clips: Sequence[Clip], trained: "Trained", texts: Sequence[str], against: Sequence[str]) -> Tensor:
    """(N,) nats: ln p(any of ``texts``) - ln p(any of ``against``) as answers to which of them a clip shows."""
    from skeletonllm.tasks.recognition import build_prompt

    # In the order in which the model has always been offered them.
    offered = sorted((*texts, *against), key=lambda text: trained.labels.index(text) if text in trained.labels else -1)
    scores = _log_likelihoods(clips, trained, build_prompt(offered, trained.listed), offered)
    wished = torch.tensor([text in texts for text in offered], device=scores.device)
    return scores[:, wished].logsumexp(1) - scores[:, ~wished].logsumexp(1)


def _log_likelihoods(clips: Sequence[Clip], trained: "Trained", prompt: str, answers: Sequence[str]) -> Tensor:
    """(N, C) nats, of each answer the sum over its tokens; with gradients where the clips have them."""
    model, processor = trained.model, trained.processor
    device = model.device
    shown = [face_camera(clip) for clip in clips] if processor.face_camera else list(clips)
    if not (torch.is_grad_enabled() and clips[0].joints.requires_grad):
        inputs = {name: value.to(device) for name, value in processor(shown, [prompt] * len(shown)).items()}
        return model.label_log_likelihoods(candidate_token_ids=processor.candidate_token_ids(answers), **inputs)
    # The prompt once for each answer, as the cache that spares this is not to be learnt through; drawn once, though.
    repeated = [clip for clip in shown for _ in answers]
    inputs = processor(repeated, [prompt] * len(repeated), [*answers] * len(shown))
    del inputs["clips"]
    inputs = {name: value.to(device) for name, value in inputs.items()}
    lengths = (inputs["labels"] >= 0).sum(1)
    frames = model.render(processor(shown, [prompt] * len(shown))["clips"]).repeat_interleave(len(answers), 0)
    losses = model(frames=frames, **inputs).sample_losses
    return -(losses * lengths).view(len(shown), len(answers))
