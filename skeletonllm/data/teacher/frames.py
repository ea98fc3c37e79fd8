"""The frames that a teacher is shown: those that a student of the same recipe is shown."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import torch
from PIL import Image

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples, Question
from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import Recording
from skeletonllm.rendering.renderer import Renderer
from skeletonllm.rendering.video import to_bytes
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence, sample_clip
from skeletonllm.skeleton.transforms import face_camera


@dataclass(frozen=True)
class Sampling:
    """How a student cuts recordings to clips.

    Args:
        num_frames: of a clip.
        face_camera: whether the first person is turned to the camera.
        augmentation: of the clips; as for students, those that are reasoned about are not trimmed nor mirrored.
        seed: of the student's examples.
    """

    num_frames: int = 12
    face_camera: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def sample(self, sequence: SkeletonSequence, generator: torch.Generator | None = None) -> Clip:
        """As ``SkeletonLLMProcessor.sample``, without a tokenizer."""
        clip = sample_clip(sequence, self.num_frames, generator=generator)
        return face_camera(clip) if self.face_camera else clip


@dataclass(frozen=True)
class Shown:
    """What a teacher saw.

    Args:
        pictures: PNG files of the frames, in order.
        identity: ``renderer`` and ``clip``, sha256 of their contents; ``indices`` of the frames in the recording;
            ``image_size`` in pixels.
    """

    pictures: tuple[bytes, ...]
    identity: dict


class Frames:
    """Draws recordings as a student sees them in the first epoch of a stage whose ``variants`` are 1 or more.

    Args:
        recordings: a mixture, or recordings with their sequences; the very ones that the student trains on, as a clip
            depends on its place among them.
        sampling: of the student.
        renderer: of the student, as it is when the stage begins.
        image_size: pixels.

    Raises:
        ValueError: no recordings.
    """

    def __init__(
        self,
        recordings: Mixture | Sequence[tuple[Recording, SkeletonSequence]],
        sampling: Sampling,
        renderer: Renderer,
        image_size: int,
    ):
        self._mixture = recordings if isinstance(recordings, Mixture) else Mixture.in_memory(recordings)
        self.recordings = self._mixture.all_recordings()
        self.sampling = sampling
        self.renderer = renderer.eval()
        self.image_size = image_size
        # The student's own examples, so that whatever they do to a clip is done here too.
        self._examples = Examples(self._mixture, sampling, 1, sampling.augmentation, variants=1, seed=sampling.seed)

    @cached_property
    def renderer_digest(self) -> str:
        """sha256 of the renderer's settings and weights."""
        return renderer_digest(self.renderer)

    def sequence(self, number: int) -> SkeletonSequence:
        """Of the recording with this place. Raises SkeletonFormatError if it cannot be read."""
        return self._mixture[number][1]

    def clip(self, number: int) -> Clip:
        """Of the recording with this place, which must be readable: for one that is not, examples take the next."""
        question = Question(0, number, "rationale", "", "", self.recordings[number].id, 0)
        return self._examples.example(question).clip

    def show(self, number: int) -> Shown:
        """The frames of the recording with this place. Raises SkeletonFormatError if it cannot be read."""
        sequence = self.sequence(number)
        clip = self.clip(number)
        pictures = tuple(draw_pictures(self.renderer, clip, self.image_size))
        indices = (clip.times.double() * sequence.fps).round().long().tolist()
        return Shown(
            pictures,
            {
                "renderer": self.renderer_digest,
                "clip": clip_digest(clip),
                "indices": indices,
                "image_size": self.image_size,
            },
        )


@torch.no_grad()
def draw_pictures(renderer: Renderer, clip: Clip, image_size: int) -> list[bytes]:
    """PNG files of the frames of a clip, in order."""
    return [_png(picture) for picture in to_bytes(renderer.render(clip, image_size=image_size)[0])]


def renderer_digest(renderer: Renderer) -> str:
    """sha256 of a renderer's settings and weights."""
    state = renderer.state_dict()
    return _digest([renderer.settings, list(state)], list(state.values()))


def clip_digest(clip: Clip) -> str:
    """sha256 of everything about a clip that its picture depends on."""
    doubts = [] if clip.confidence is None else [clip.confidence]
    return _digest(asdict(clip.topology), [clip.joints, clip.velocities, clip.valid, *doubts])


def _digest(description, tensors: Sequence[torch.Tensor]) -> str:
    digest = hashlib.sha256(repr(description).encode())
    for tensor in tensors:
        tensor = tensor.detach().cpu().contiguous()
        digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _png(picture) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()
