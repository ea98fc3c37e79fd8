"""Caps on what a teacher may cost, kept while several questions are under way."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Caps:
    """What all answers in a folder may take together, those of earlier starts included.

    Args:
        tokens: of questions and answers; 0: no cap.
        cost: in the currency of the prices; 0: no cap.
        prompt_price, completion_price: of a million tokens.

    Raises:
        ValueError: a negative number, or a cap on the cost without a price.
    """

    tokens: int = 0
    cost: float = 0.0
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self):
        if min(self.tokens, self.cost, self.prompt_price, self.completion_price) < 0:
            raise ValueError(f"{self}: nothing may be below 0")
        if self.cost and not self.prompt_price + self.completion_price:
            raise ValueError("a cap on the cost needs the prices of tokens")


class Budget:
    """Admits a question only if all that are under way fit under the caps, should each cost what the dearest did.

    Tokens of answers that never arrived whole are not known, and not counted.

    Args:
        caps: which.
        max_tokens: of an answer, before the first one is known.
    """

    def __init__(self, caps: Caps, max_tokens: int):
        self.caps = caps
        self.tokens, self.cost = 0, 0.0
        self.under_way = 0
        self._dearest = max_tokens, self._price(0, max_tokens)

    def count(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Note what an answer took."""
        tokens, cost = prompt_tokens + completion_tokens, self._price(prompt_tokens, completion_tokens)
        self.tokens += tokens
        self.cost += cost
        self._dearest = max(tokens, self._dearest[0]), max(cost, self._dearest[1])

    def admits(self) -> bool:
        """Whether another question may be asked."""
        tokens, cost = (each * (self.under_way + 1) for each in self._dearest)
        caps = self.caps
        fits = not caps.tokens or self.tokens + tokens <= caps.tokens
        return fits and (not caps.cost or self.cost + cost <= caps.cost)

    def _price(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.caps.prompt_price + completion_tokens * self.caps.completion_price) / 1e6
