"""What every tab needs: who answers, who reads, and who is there."""

from dataclasses import dataclass
from pathlib import Path

from skeletonllm.serving.app.guests import Guests
from skeletonllm.serving.engine import Engine
from skeletonllm.serving.reading import Readers


@dataclass(frozen=True, eq=False)
class House:
    """Args:
    engine: answers, draws and dances.
    guests: whose pages are open.
    readers: read what guests bring.
    runs: the folder below which runs and results may be looked at; None: none.
    """

    engine: Engine
    guests: Guests
    readers: Readers
    runs: Path | None = None
