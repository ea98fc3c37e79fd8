"""R-precision of captions: does a model find, among captions of 32 motions, the one that belongs to the motion?

As in HumanML3D (Guo et al., 2022), but for what says how well a caption fits a motion. There it is the distance in the
space of two networks that were trained for it on HumanML3D; here it is the evaluated model's own log-likelihood of the
caption given the frames, per token, since it otherwise favours short captions. So figures are not to be compared with
those of papers that use these networks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from skeletonllm.data.recordings import Recording
from skeletonllm.evaluation.intervals import bootstrap_interval
from skeletonllm.evaluation.questions import Posed, batches_of, seen_inputs
from skeletonllm.models.processing import SkeletonLLMProcessor
from skeletonllm.models.skeletonllm import SkeletonLLMForConditionalGeneration
from skeletonllm.skeleton.sequence import SkeletonSequence
from skeletonllm.tasks.recognition import normalize_label

POOL = 32
TOPS = (1, 2, 3)


@dataclass(frozen=True)
class Found:
    """Where the best of a motion's own captions stands.

    Args:
        rank: from 1, among all captions of the pool.
        own: how many captions of the pool are right for the motion.
        among: how many there are.
    """

    rank: int
    own: int
    among: int

    def chance(self, top: int) -> float:
        """Of one of its own being among the first by luck."""
        return 1 - math.comb(self.among - self.own, top) / math.comb(self.among, top)


def make_pools(posed: Sequence[Posed], seed: int = 0, size: int = POOL) -> list[list[int]]:
    """Places of questions in random pools, each recording once.

    As is usual, those that make no full pool are left out; but if there is no full pool all make one.
    """
    first = list({question.recording: place for place, question in reversed(list(enumerate(posed)))}.values())[::-1]
    order = torch.randperm(len(first), generator=torch.Generator().manual_seed(seed)).tolist()
    shuffled = [first[place] for place in order]
    whole = [shuffled[start : start + size] for start in range(0, len(shuffled) - size + 1, size)]
    return whole or [shuffled]


@torch.no_grad()
def found_by_pool(
    model: SkeletonLLMForConditionalGeneration,
    processor: SkeletonLLMProcessor,
    posed: Sequence[Posed],
    recordings: Sequence[tuple[Recording, SkeletonSequence]],
    pools: Iterable[Sequence[int]],
    batch_size: int = 32,
) -> Iterator[list[Found]]:
    """For each pool of places what is found for its motions; each pool is asked for when it is due.

    Captions that say the same but for case and punctuation are one.
    """
    model.eval()
    for pool in pools:
        questions = [posed[place] for place in pool]
        captions = list({normalize_label(question.answer): question.answer for question in questions}.values())
        tokens = processor.candidate_token_ids(captions)
        lengths = torch.tensor([len(each) for each in tokens])
        found = []
        for batch in batches_of(len(questions), batch_size):
            some = [questions[place] for place in batch]
            inputs = seen_inputs(processor, some, recordings)
            inputs = {name: value.to(model.device) for name, value in inputs.items()}
            scores = model.label_log_likelihoods(candidate_token_ids=tokens, **inputs).cpu() / lengths
            found += [find(row, captions, question) for row, question in zip(scores, some, strict=True)]
        yield found


def find(scores: torch.Tensor, captions: Sequence[str], question: Posed) -> Found:
    """The rank of the best right caption; of equal scores those of wrong captions stand first."""
    right = {normalize_label(text) for text in (question.answer, *question.references)}
    own = torch.tensor([normalize_label(caption) in right for caption in captions])
    better = int((scores[~own] >= scores[own].max()).sum())
    return Found(better + 1, int(own.sum()), len(captions))


def r_precision(found: Sequence[Found], seed: int = 0) -> dict:
    """``top_1`` to ``top_3``, each with value, interval, count and chance, and the size of the pools."""
    summary: dict = {"pool": max(one.among for one in found)}
    for top in TOPS:
        hits = [float(one.rank <= top) for one in found]
        summary[f"top_{top}"] = {
            "value": sum(hits) / len(hits),
            "interval_95": list(bootstrap_interval(lambda drawn: drawn.mean(), hits, seed=seed)),
            "count": len(hits),
            "chance": sum(one.chance(top) for one in found) / len(found),
        }
    return summary
