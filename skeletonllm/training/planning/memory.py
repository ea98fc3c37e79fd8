"""How much memory a GPU needs, in bytes, by part.

Weights, gradients and moments follow from the numbers of parameters and the ZeRO stage (Rajbhandari et al., arXiv
1910.02054), activations from what autograd keeps for the backward pass of each kind of layer.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from skeletonllm.training.planning.flops import Sample
from skeletonllm.training.planning.shape import Shape, Transformer
from skeletonllm.training.zero import MOST_BUCKETED

FLOAT32, BFLOAT16, BOOL = 4, 2, 1
MOMENTS = 2 * FLOAT32  # Adam's two, per parameter
# A bucket holds the float32 gradients of all that learns, up to DeepSpeed's default; see zero.resolve. Stages 1 and 2
# have two, to fill one while the other is sent.
BUCKETS = {0: 0, 1: 2, 2: 2, 3: 1}
# CUDA context, libraries and their workspaces; and what the allocator holds but cannot use.
CONTEXT_BYTES, FRAGMENTATION = 2 * 2**30, 0.05
# Numbers that the renderer's modulator keeps per Gaussian and frame: inputs, gates and states of the recurrent cell,
# hidden values of the perceptrons.
RENDERER_NUMBERS = 10 + 6 * 10 + 2 * 64 + 10


@dataclass(frozen=True)
class Load:
    """What a GPU holds at once.

    Args:
        micro_batch_size: samples.
        checkpointing: whether layers keep their input only.
        lora_dropout: whether adapters have dropout, which keeps a mask and an input of its own for each.
        element_bytes: of activations; 2 in bfloat16, 4 in float32.
    """

    micro_batch_size: int = 1
    checkpointing: bool = False
    lora_dropout: bool = True
    element_bytes: int = BFLOAT16


@dataclass(frozen=True)
class PartMemory:
    """Bytes of a part on one GPU: weights, gradients, what the optimiser keeps, and activations."""

    weights: float = 0.0
    gradients: float = 0.0
    optimizer: float = 0.0
    activations: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the peak of a step.

    Args:
        parts: of each part.
        copies: of weights that learn, in bfloat16, which autocast makes for the products.
        logits: of the answers' tokens, with their gradients.
        working: tensors of the layer that is being calculated; with checkpointing also what it keeps.
        buckets: gradients on their way.
        gathered: weights of layers that ZeRO-3 has brought together.
        context: CUDA and the allocator.
    """

    parts: dict[str, PartMemory]
    copies: float
    logits: float
    working: float
    buckets: float
    gathered: float
    context: float

    @property
    def total(self) -> float:
        held = sum(part.total for part in self.parts.values())
        return held + self.copies + self.logits + self.working + self.buckets + self.gathered + self.context


def share(parameters: int, gpus: int) -> int:
    """Of one GPU when all hold equal parts, the last one padded."""
    return -(-parameters // gpus)


def state_memory(parameters: int, learns: bool, gpus: int, zero: int, frozen_bytes: int = BFLOAT16) -> PartMemory:
    """Weights, gradients and what the optimiser keeps for a part of so many parameters.

    ZeRO-1 divides Adam's moments among the GPUs, ZeRO-2 gradients too, ZeRO-3 weights too.

    Args:
        parameters: of the part.
        learns: whether it is trained, which is done in float32.
        gpus, zero: how many, and the stage; 0 divides nothing.
        frozen_bytes: per parameter of a part that rests.

    Raises:
        ValueError: a stage other than 0, 1, 2 and 3.
    """
    if zero not in (0, 1, 2, 3):
        raise ValueError(f"ZeRO stage is {zero}, expected 0, 1, 2 or 3")
    divided = share(parameters, gpus)
    held = divided if zero == 3 else parameters
    if not learns:
        return PartMemory(weights=held * frozen_bytes)
    # DeepSpeed's stages 1 and 2 update a flat copy of their own share and gather the parameters from it.
    flat_copy = divided * FLOAT32 if zero in (1, 2) else 0
    return PartMemory(
        weights=held * FLOAT32,
        gradients=(divided if zero >= 2 else parameters) * FLOAT32,
        optimizer=(divided if zero >= 1 else parameters) * MOMENTS + flat_copy,
    )


def activation_bytes(shape: Shape, sample: Sample, load: Load, trainable: Collection[str]) -> dict[str, float]:
    """What autograd keeps for the backward pass, of one micro-batch: vision, projector, language and logits.

    Kept are tensors, each storage once, that a backward formula reads: inputs of norms (float32), queries, keys,
    values and the result of fused attention, inputs of activation functions and of gates, and inputs of a linear
    layer only if it learns.
    """
    trainable = set(trainable)
    size, samples = load.element_bytes, load.micro_batch_size
    below_projector = bool(trainable & {"renderer", "vision"})
    vision_tokens = samples * sample.frames * (sample.patches(shape) + 1)
    tokens = samples * sample.tokens(shape)
    kept = dict.fromkeys(("vision", "projector", "language", "logits"), 0.0)
    if below_projector:
        layer = vision_tokens * (
            size * shape.vision.width if load.checkpointing else vision_layer_bytes(shape, size, "vision" in trainable)
        )
        kept["vision"] = shape.vision.layers * layer
        if "vision" in trainable:  # patches, which the embedding's products are made of
            kept["vision"] += samples * sample.frames * 3 * sample.image_size**2 * size
    projector_input, output = shape.merge**2 * shape.vision.width, shape.language.width
    if below_projector or "projector" in trainable:
        per_token = FLOAT32 * projector_input + size * output
        if "projector" in trainable:
            per_token += size * (projector_input + output)
        kept["projector"] = samples * sample.visual_tokens(shape) * per_token
    if trainable:
        layer = size * output if load.checkpointing else language_layer_bytes(shape, load, "language" in trainable)
        last_norm = (FLOAT32 + size * ("language" in trainable)) * output
        kept["language"] = tokens * (shape.language.layers * layer + last_norm)
        kept["logits"] = samples * sample.answer_tokens * FLOAT32 * shape.vocabulary
    return kept


def vision_layer_bytes(shape: Shape, size: int, learns: bool) -> float:
    """Per token; ``size`` bytes per element."""
    stack = shape.vision
    norms = 2 + 2 * stack.normed_queries
    numbers = 4 * stack.attention_width + stack.hidden
    if learns:
        # Results of both norms, inputs of both scales and of the last product.
        numbers += 4 * stack.width + stack.hidden
    return norms * FLOAT32 * stack.width + size * numbers


def language_layer_bytes(shape: Shape, load: Load, learns: bool) -> float:
    """Per token."""
    stack, size = shape.language, load.element_bytes
    numbers = 2 * stack.attention_width + 2 * stack.key_value_width + 3 * stack.hidden
    # Inputs of linear layers that are not kept anyway: one for queries, keys and values, one for both branches of the
    # feed-forward part, one for its end. That of attention's last layer is attention's result.
    inputs = 2 * stack.width + stack.hidden
    norms = 2 * FLOAT32 * stack.width
    if stack.normed_queries:
        norms += FLOAT32 * (stack.attention_width + stack.key_value_width)
    kept = norms + size * numbers
    if shape.lora_rank:
        kept += size * 7 * shape.lora_rank
        if load.lora_dropout:
            # Each of the seven has a mask and an input of its own.
            kept += (size + BOOL) * (5 * stack.width + stack.attention_width + stack.hidden)
    if learns or (shape.lora_rank and not load.lora_dropout):
        kept += size * inputs
    if learns:
        kept += size * 2 * stack.width  # what the norms scale
    return kept


def plan_memory(shape: Shape, sample: Sample, load: Load, trainable: Collection[str], gpus: int, zero: int) -> Memory:
    """Memory of one GPU at the peak of a step, an estimate.

    Args:
        shape: of the model.
        sample: one row.
        load: what the GPU holds at once.
        trainable: the parts that learn.
        gpus, zero: how many share the state, and the ZeRO stage.

    Raises:
        ValueError: no such ZeRO stage, or an image size that the tower cannot take.
    """
    trainable = set(trainable)
    kept = activation_bytes(shape, sample, load, trainable)
    kept["renderer"] = _picture_bytes(shape, sample, load, "renderer" in trainable)
    parts = {}
    for part, parameters in shape.parameters.items():
        frozen_bytes = FLOAT32 if part == "renderer" else BFLOAT16
        state = state_memory(parameters, part in trainable, gpus, zero, frozen_bytes)
        parts[part] = PartMemory(state.weights, state.gradients, state.optimizer, kept.get(part, 0.0))
    learning = sum(parameters for part, parameters in shape.parameters.items() if part in trainable)
    logits = load.micro_batch_size * sample.answer_tokens * shape.vocabulary
    memory = Memory(
        parts=parts,
        copies=learning * load.element_bytes if load.element_bytes < FLOAT32 else 0.0,
        # In bfloat16 and float32, their logarithms, and both gradients.
        logits=logits * 2 * (load.element_bytes + FLOAT32) + kept["logits"],
        working=_working_bytes(shape, sample, load, trainable),
        buckets=min(MOST_BUCKETED, learning) * BUCKETS[zero] * FLOAT32,
        # The layer in use and the one fetched ahead.
        gathered=BFLOAT16 * (shape.largest_module + shape.language_layer) if gpus > 1 and zero == 3 else 0.0,
        context=0.0,
    )
    return replace(memory, context=CONTEXT_BYTES + FRAGMENTATION * memory.total)


def _picture_bytes(shape: Shape, sample: Sample, load: Load, learns: bool) -> float:
    """Pictures as drawn, in [0, 1], normalised, rounded; their gradient; and what the modulator keeps."""
    frames = load.micro_batch_size * sample.frames
    pixels = frames * 3 * sample.image_size**2
    if not learns:
        return pixels * (2 * FLOAT32 + load.element_bytes)
    gaussians = frames * sample.persons * shape.gaussians
    return pixels * (4 * FLOAT32 + load.element_bytes) + gaussians * RENDERER_NUMBERS * FLOAT32


def _working_bytes(shape: Shape, sample: Sample, load: Load, trainable: set[str]) -> float:
    """Tensors in flight in the largest layer; with checkpointing also what it keeps while it is calculated again."""
    vision_tokens = load.micro_batch_size * sample.frames * (sample.patches(shape) + 1)
    tokens = load.micro_batch_size * sample.tokens(shape)
    vision = vision_tokens * _in_flight(shape.vision, load.element_bytes)
    language = tokens * _in_flight(shape.language, load.element_bytes)
    if load.checkpointing:
        language += tokens * language_layer_bytes(shape, load, "language" in trainable)
        if trainable & {"renderer", "vision"}:
            vision += vision_tokens * vision_layer_bytes(shape, load.element_bytes, "vision" in trainable)
    return max(vision, language)


def _in_flight(stack: Transformer, size: int) -> float:
    """Per token: gradients of the feed-forward part, and of two residual streams in float32."""
    return size * (1 + 2 * stack.gated) * stack.hidden + 2 * FLOAT32 * stack.width
