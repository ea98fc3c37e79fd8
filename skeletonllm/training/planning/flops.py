"""How many floating-point operations a sample takes, forward and backward, by part. A multiply-add counts as two.

A layer's backward pass has two halves: the gradient of its input, needed if anything below it learns, and the gradient
of its weights, needed if it learns itself. Each costs as much as the forward pass. So a frozen layer above a learning
one costs twice its forward pass, not three times, and a frozen layer with nothing below it that learns costs once.

Counted are matrix products. Norms, activations and sums are a few operations per number that a layer passes on, against
thousands in its products; they cost time, not arithmetic.
"""

from collections.abc import Collection
from dataclasses import dataclass

from skeletonllm.training.planning.shape import Shape, Transformer

# Pixels that one Gaussian is evaluated at, counted on a clip of one person at 448 x 448 (docs/kernels.md: 2.4 million
# for 12 frames of 265 Gaussians), and operations per pixel of blending, as in the paper.
PIXELS_PER_GAUSSIAN, PIXELS_MEASURED_AT = 755, 448
OPERATIONS_PER_PIXEL = 52
# Recurrent cell (six products of 10 x 10), perceptrons 8-64-4 and 10-64-5: multiply-adds per Gaussian and frame.
APPEARANCE_MULTIPLY_ADDS = 6 * 100 + 8 * 64 + 64 * 4 + 10 * 64 + 64 * 5

PARTS = ("renderer", "vision", "projector", "language", "lora", "output layer")


@dataclass(frozen=True)
class Sample:
    """What one sample consists of.

    Args:
        frames: pictures of the clip.
        image_size: pixels, the side of a picture.
        text_tokens: of the prompt, pictures left out.
        answer_tokens: of the answer, which the loss is taken of.
        persons: in the clip.
    """

    frames: int = 12
    image_size: int = 448
    text_tokens: int = 320
    answer_tokens: int = 8
    persons: int = 1

    def __post_init__(self):
        for name in self.__dataclass_fields__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected 1 or more")

    def patches(self, shape: Shape) -> int:
        """Per frame. Raises ValueError if the tower cannot take the image size."""
        cell = shape.patch_size * shape.merge
        if self.image_size % cell:
            raise ValueError(f"image size {self.image_size} is no multiple of {cell}")
        return (self.image_size // shape.patch_size) ** 2

    def visual_tokens(self, shape: Shape) -> int:
        """Of all frames."""
        return self.frames * self.patches(shape) // shape.merge**2

    def tokens(self, shape: Shape) -> int:
        """That the language model reads."""
        return self.visual_tokens(shape) + self.text_tokens + self.answer_tokens


@dataclass(frozen=True)
class Flops:
    """Operations of one sample.

    Args:
        forward, backward: what the model's mathematics asks for.
        recomputed: what is calculated again: layers under activation checkpointing, and scores of attention.
    """

    forward: float = 0.0
    backward: float = 0.0
    recomputed: float = 0.0

    @property
    def model(self) -> float:
        """Without what is calculated again: what utilisation of the model (MFU) is counted by."""
        return self.forward + self.backward

    @property
    def total(self) -> float:
        """That the GPU carries out."""
        return self.model + self.recomputed

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(self.forward + other.forward, self.backward + other.backward, self.recomputed + other.recomputed)


def total_flops(parts: dict[str, Flops]) -> Flops:
    """The sum over parts."""
    return sum(parts.values(), Flops())


def count_flops(
    shape: Shape,
    sample: Sample,
    trainable: Collection[str],
    *,
    checkpointing: bool = False,
    cached_frames: bool = False,
    causal_share: float = 0.5,
    fused_attention: bool = True,
) -> dict[str, Flops]:
    """Operations of one sample by part, among ``PARTS``.

    Args:
        shape: of the model.
        sample: one row.
        trainable: the parts that learn, among ``skeletonllm.training.parts.PARTS``.
        checkpointing: whether layers through which gradients flow are calculated again in the backward pass.
        cached_frames: whether pictures are read instead of drawn.
        causal_share: of all pairs of tokens, those that attention of the language model is calculated for: a half
            where the kernel leaves out what comes later, 1 where it masks it.
        fused_attention: whether the backward pass of attention calculates the scores again, as flash attention does.
    """
    trainable = set(trainable)
    below_projector = bool(trainable & {"renderer", "vision"})
    below_output = bool(trainable & {"renderer", "vision", "projector", "language", "lora"})
    vision_tokens = sample.frames * (sample.patches(shape) + 1)
    recompute_vision, recompute_language = checkpointing and below_projector, checkpointing and below_output
    counts = {
        "renderer": _renderer(shape, sample, "renderer" in trainable, cached_frames),
        "vision": _linear(
            2 * shape.patch_multiply_adds * sample.frames * sample.patches(shape),
            "renderer" in trainable,
            "vision" in trainable,
        )
        + _linear(2 * shape.vision.multiply_adds * vision_tokens, below_projector, "vision" in trainable)
        + _attention(
            shape.vision,
            sample.frames * (sample.patches(shape) + 1) ** 2,
            below_projector,
            recompute_vision,
            fused_attention,
        ),
        # The projector begins with a norm that learns along, so its own linear layers want gradients of their inputs.
        "projector": _linear(
            2 * shape.projector_multiply_adds * sample.visual_tokens(shape),
            below_projector or "projector" in trainable,
            "projector" in trainable,
        ),
        "language": _linear(
            2 * shape.language.multiply_adds * sample.tokens(shape), below_output, "language" in trainable
        )
        + _attention(
            shape.language,
            causal_share * sample.tokens(shape) ** 2,
            below_output,
            recompute_language,
            fused_attention,
        ),
        "lora": _linear(2 * shape.lora_multiply_adds * sample.tokens(shape), below_output, "lora" in trainable),
        "output layer": _linear(
            2 * shape.language.width * shape.vocabulary * sample.answer_tokens, below_output, "language" in trainable
        ),
    }
    # Torch stops calculating a layer again at the last tensor that its backward pass wants. In the tower that is the
    # scale after the last product; in the language model the input of the last product or, with adapters, of its
    # adapter's second factor: what comes after is not made again.
    if recompute_vision:
        counts["vision"] += Flops(recomputed=2 * shape.vision.multiply_adds * vision_tokens)
    if recompute_language:
        language, tokens = shape.language, sample.tokens(shape)
        left_out = 0 if shape.lora_rank else language.last_multiply_adds
        counts["language"] += Flops(recomputed=2 * (language.multiply_adds - left_out) * tokens)
        left_out = shape.lora_rank * language.width * language.layers
        counts["lora"] += Flops(recomputed=2 * (shape.lora_multiply_adds - left_out) * tokens)
    return counts


def _linear(forward: float, input_gradient: bool, weight_gradient: bool) -> Flops:
    return Flops(forward, forward * (input_gradient + weight_gradient))


def _attention(stack: Transformer, pairs: float, gradient: bool, recomputed: bool, fused: bool) -> Flops:
    """Scores and the weighted sum, each a product over pairs of tokens; twice that for gradients of both factors."""
    forward = 2 * 2 * pairs * stack.attention_width * stack.layers
    scores_again = forward / 2 if gradient and fused else 0.0
    return Flops(forward, 2 * forward * gradient, forward * recomputed + scores_again)


def _renderer(shape: Shape, sample: Sample, learns: bool, cached: bool) -> Flops:
    """An estimate; its backward pass composites every tile twice and has gradients of colours and opacities."""
    if cached:
        return Flops()
    pixels = PIXELS_PER_GAUSSIAN * (sample.image_size / PIXELS_MEASURED_AT) ** 2
    each = pixels * OPERATIONS_PER_PIXEL + 2 * APPEARANCE_MULTIPLY_ADDS
    forward = each * shape.gaussians * sample.frames * sample.persons
    return Flops(forward, 2 * forward * learns, forward * learns)
