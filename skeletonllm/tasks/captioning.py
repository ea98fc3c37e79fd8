"""Captioning: a sentence about the motion, as one of several people would write it. Prompt, target and parser.

How near a caption comes to what people wrote is measured in ``skeletonllm.evaluation.captions``.
"""

import torch

from skeletonllm.tasks.subject import Subject

PROMPTS = (
    "Describe the motion in one sentence.",
    "What is happening? Answer with one sentence.",
    "Write a caption for this motion.",
)


def draw(subject: Subject, generator: torch.Generator) -> tuple[str, str]:
    """One of the prompts, and one of the captions of the subject, each as likely as any other.

    Raises:
        ValueError: the subject has no captions.
    """
    if not subject.captions:
        raise ValueError(f"the task captioning needs captions, and a recording of {subject.label!r} has none")
    prompt = PROMPTS[int(torch.randint(len(PROMPTS), (), generator=generator))]
    return prompt, subject.captions[int(torch.randint(len(subject.captions), (), generator=generator))].strip()


def parse_answer(text: str) -> str | None:
    """The first line that has any words; None if there is none."""
    return next((line.strip() for line in text.splitlines() if any(c.isalnum() for c in line)), None)
