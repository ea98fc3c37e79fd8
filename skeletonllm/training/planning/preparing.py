"""What it takes to prepare samples, measured on a few of them on this machine, in seconds of one processor."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skeletonllm.data.examples import Example, Examples
from skeletonllm.data.recordings import Recording
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.models.tiny import tiny_backbone
from skeletonllm.rendering.cache import FrameCache
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.build import tiny_texts
from skeletonllm.training.stages import Stage

SAMPLES = 16


@dataclass(frozen=True)
class Preparation:
    """Costs of data on one rank.

    Args:
        seconds_per_sample: to cut and vary a clip and to make tokens, by one process.
        seconds_to_read: all recordings, which every process does when it starts.
        bytes_in_memory: of all recordings, which every process holds.
        frame_bytes: of a sample's frames in the cache; 0 in stages without it.
    """

    seconds_per_sample: float
    seconds_to_read: float
    bytes_in_memory: float
    frame_bytes: int


def make_examples(
    recipe: Recipe,
    stage: Stage,
    recordings: Sequence[tuple[Recording, SkeletonSequence | None]],
    processor: SkeletonLLMProcessor | None = None,
) -> Examples:
    """The examples of a stage. Without sequences and processor they have questions, but no clips."""
    return Examples(
        recordings,
        processor,
        recipe.optimization.batch_size,
        recipe.augmentation,
        stage.tasks,
        recipe.data.fewer_candidates,
        variants=stage.variants,
        seed=recipe.optimization.seed,
        list_candidates=recipe.data.list_candidates,
    )


def measure_preparation(
    recipe: Recipe, stage: Stage, recordings: Sequence[Recording], model: SkeletonLLMForConditionalGeneration
) -> Preparation:
    """Prepare the first samples of a stage.

    The tokenizer is a small one of words, since that of the backbone may not be on this machine; it makes as many
    placeholders of pictures, but cuts words faster or slower.

    Args:
        recipe, stage: what is trained.
        recordings: not read yet.
        model: its renderer draws; its weights may be on the meta device otherwise.
    """
    labels = sorted({recording.label for recording in recordings})
    tokenizer = tiny_backbone(tiny_texts(labels))[1]
    settings = recipe.model
    processor = SkeletonLLMProcessor(
        tokenizer, settings.num_frames, model.config.tokens_per_frame, face_camera=settings.face_camera
    )
    asked = make_examples(recipe, stage, [(recording, None) for recording in recordings]).questions(0)[:SAMPLES]
    begin = time.process_time()
    read = {question.recording: recordings[question.recording].read() for question in asked}
    seconds_to_read = time.process_time() - begin
    pairs = [(recording, read.get(index)) for index, recording in enumerate(recordings)]
    examples = make_examples(recipe, stage, pairs, processor)
    begin = time.process_time()
    prepared = [examples.example(question) for question in asked]
    for example in prepared:
        processor([example.clip], [example.prompt], [example.answer])
    seconds = time.process_time() - begin
    held = sum(sequence.joints.nbytes + sequence.valid.nbytes for sequence in read.values())
    all_of_them = len(recordings) / len(asked)
    frame_bytes = cached_bytes(prepared[0], model) if stage.variants else 0
    return Preparation(seconds / len(asked), seconds_to_read * all_of_them, held * all_of_them, frame_bytes)


def cached_bytes(example: Example, model: SkeletonLLMForConditionalGeneration) -> int:
    """Bytes of the file that the frames of an example take in the cache."""
    with tempfile.TemporaryDirectory() as folder:
        FrameCache(folder).render(model.renderer, [example.clip], model.config.image_size)
        return sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))
