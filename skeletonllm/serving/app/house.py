"""What every tab needs: who answers, and who is there."""

from dataclasses import dataclass
from pathlib import Path

from skeletonllm.serving.app.guests import Guests
from skeletonllm.serving.engine import Engine


@dataclass(frozen=True, eq=False)
class House:
    """Args:
    engine: reads, answers, draws and dances.
    guests: whose pages are open.
    runs: the folder below which runs and results may be looked at; None: none.
    """

    engine: Engine
    guests: Guests
    runs: Path | None = None
