"""What a job of a teacher is given beside model and frames, and what it brings."""

from dataclasses import dataclass

from skeletonllm.data.teacher.prompts import NEWEST, PROMPTS


@dataclass(frozen=True)
class TeacherSettings:
    """What answers depend on, beside model and frames.

    Args:
        prompt_version: a key of ``PROMPTS``.
        temperature: of the model.
        max_tokens: of an answer.
        seed: sent with the questions, mixed with the recording's id.
        verify: whether answers that are wrong, incomplete or untrue are kept out.
        attempts: how often a recording is asked about, with other seeds, while its answers are rejected.

    Raises:
        ValueError: an unknown version or a number that makes no sense.
    """

    prompt_version: str = NEWEST
    temperature: float = 0.2
    max_tokens: int = 512
    seed: int = 0
    verify: bool = True
    attempts: int = 1

    def __post_init__(self):
        if self.prompt_version not in PROMPTS:
            raise ValueError(f"unknown version {self.prompt_version!r} of the prompt; known: {', '.join(PROMPTS)}")
        if self.temperature < 0 or self.max_tokens < 1 or self.attempts < 1:
            raise ValueError(f"{self}: expected a temperature of 0 or more, at least one token and one attempt")


@dataclass
class Summary:
    """What a job brought: recordings by what became of them in all, and what the answers took.

    ``ended`` is ``done``, or why there is something ``left`` to ask: ``caps``, ``stopped`` or ``unanswered``.
    """

    accepted: int
    rejected: int
    left: int
    tokens: int
    cost: float
    ended: str
