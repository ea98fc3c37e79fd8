"""One seed of several numbers, for generators that are made anew wherever something random is drawn."""

import numpy as np


def mixed_seed(*numbers: int) -> int:
    """32 bits that depend on all numbers. Torch's CPU generator looks at the low 32 bits of its seed only."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
