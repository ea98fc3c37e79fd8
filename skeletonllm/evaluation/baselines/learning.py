"""Training a small network on labelled recordings, and its answers to a test of recognition."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from skeletonllm.data.augmentation import Augmentation
from skeletonllm.data.examples import Examples
from skeletonllm.data.recordings import Recording, labels_of
from skeletonllm.evaluation.baselines.st_gcn import Sizes, StGcn
from skeletonllm.evaluation.respondents import Answers, Test
from skeletonllm.skeleton.retarget import plan_retargeting, retarget
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.skeleton.topologies import get_topology
from skeletonllm.skeleton.topology import Topology

Labelled = tuple[Recording, SkeletonSequence]


@dataclass(frozen=True)
class Learning:
    """How a network is trained; chosen on training sides alone (docs/baselines.md).

    Args:
        epochs: times that each recording is seen.
        batch_size: recordings per step.
        learning_rate: of AdamW at its highest, after a tenth of the steps; it falls to zero along a cosine.
        weight_decay: of AdamW.
        label_smoothing: share of the probability that is given to all labels alike.
        augmentation: what varies from epoch to epoch.
    """

    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(trim=0.15, yaw=25, tilt=8, size=0.15, noise=0.01, missing=0.05, mirror=0.5)
    )


def one_topology(recordings: Sequence[Labelled], topology: str | Topology | None = None) -> list[Labelled]:
    """The same recordings in one topology, to which a graph network is bound.

    Args:
        recordings: with their sequences.
        topology: what to bring them to; None: they have to agree.

    Raises:
        ValueError: they do not agree, or a joint of the topology cannot be found from those of a recording.
    """
    found = {sequence.topology.name: sequence.topology for _, sequence in recordings}
    if topology is None:
        if len(found) > 1:
            raise ValueError(
                f"recordings of the topologies {', '.join(sorted(found))}, and a graph network knows one; "
                "give the one to bring them to"
            )
        return list(recordings)
    target = get_topology(topology)
    for recording, sequence in recordings:
        if missing := plan_retargeting(sequence.topology, target).missing:
            raise ValueError(
                f"{recording.id}: {target.name} has joints that {sequence.topology.name} cannot give: "
                f"{', '.join(missing)}; choose a topology that all recordings can be brought to"
            )
    return [(recording, retarget(sequence, target)) for recording, sequence in recordings]


def train_st_gcn(
    recordings: Sequence[Labelled],
    seed: int = 0,
    learning: Learning | None = None,
    sizes: Sizes | None = None,
    progress: bool = False,
) -> StGcn:
    """A network trained on recordings, ready to be asked. Same arguments, same network, on a CPU.

    It sees the examples that a model of ours is trained on with the same augmentation and seed: same order, same
    mirrored clips (``skeletonllm.data.examples.Examples``).

    Args:
        recordings: with their sequences, of one topology, at least a batch.
        seed: of weights, order, augmentation and dropout.
        learning, sizes: how, and how large; None: their defaults.
        progress: show a bar.

    Raises:
        ValueError: topologies that differ, or fewer recordings than a batch has.
        FloatingPointError: the loss is no number.
    """
    learning = learning or Learning()
    if not recordings:
        raise ValueError("no recording to train a network on")
    recordings = one_topology(recordings)
    labels = labels_of(recording for recording, _ in recordings)
    place = {label: index for index, label in enumerate(labels)}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = StGcn(recordings[0][1].topology, labels, sizes).to(device).train()
        examples = Examples(recordings, network, learning.batch_size, learning.augmentation, seed=seed)
        steps = learning.epochs * examples.steps_per_epoch
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=learning.learning_rate, weight_decay=learning.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning.learning_rate, steps, pct_start=0.1)
        bar = tqdm(range(steps), desc="training", disable=not progress, leave=False, mininterval=0.5)
        for step in bar:
            batch = examples.batch(step)
            truth = torch.tensor([place[example.answer] for example in batch], device=device)
            logits = network([example.clip for example in batch])
            loss = cross_entropy(logits, truth, label_smoothing=learning.label_smoothing)
            if not loss.isfinite():
                raise FloatingPointError(f"step {step}: the loss is {loss.item()}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if step % examples.steps_per_epoch == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}")
    return network.eval()


def refuse_unknown_labels(candidates: Sequence[str], labels: Sequence[str]) -> None:
    """Raises ValueError if a candidate is none of the labels: a classifier has no words, and so no unseen classes."""
    if unknown := [label for label in candidates if label not in labels]:
        raise ValueError(f"the network was not trained on {', '.join(unknown)}, and cannot learn a name from its words")


@torch.no_grad()
def answer(network: StGcn, test: Test, batch_size: int = 32) -> Answers:
    """The likeliest candidate for each recording of a test, with the log-probabilities of all.

    Raises:
        ValueError: a candidate that the network was not trained on, or a recording in another topology.
    """
    candidates = test.selection.candidates
    refuse_unknown_labels(candidates, network.labels)
    columns = [network.labels.index(label) for label in candidates]
    network.eval()
    scores = []
    for start in range(0, len(test.recordings), batch_size):
        clips = [network.sample(sequence) for _, sequence in test.recordings[start : start + batch_size]]
        scores += network(clips)[:, columns].log_softmax(-1).tolist()
    return Answers([candidates[row.index(max(row))] for row in scores], scores)
