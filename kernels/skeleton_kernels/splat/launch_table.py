"""Launch parameters of the Triton kernels: fixed, so that every process compiles the same kernels and adds up alike.

Run-time autotuning would let ranks that time differently pick different kernels. The figures are chosen from the
registers that the compiled kernels take (`tests/kernels`), not yet from measurements on a GPU.
"""

from typing import NamedTuple


class Tile(NamedTuple):
    """A rectangle of pixels that one program composites; sides are powers of two."""

    height: int
    width: int
    warps: int
    registers: int  # most per thread


# Left to itself, the compiler stops short of the registers that some variants need, and spills the last few.
FORWARD = Tile(height=16, width=16, warps=2, registers=96)
# One warp: its sums over pixels need no shared memory and no barrier between warps.
BACKWARD = Tile(height=16, width=16, warps=1, registers=168)

LINE_BLOCK = 32
"""Rows or columns of tiles that are marked at once."""

WORD = 32
"""Gaussians per word of the lists of touched rows and columns, and per program that projects them."""

SORT_BLOCKS = (128, 512, 1024)
"""Gaussians of a frame that one program sorts by depth. Larger frames are sorted by torch."""
SORT_WARPS = 4

WORD_BLOCK = 32
"""Words that a tile reads at once: 1,024 Gaussians. Larger frames take several steps."""

BACKWARD_PROGRAMS = 3072
"""Programs of the backward pass. Each owns nine numbers per Gaussian of its frame: 3,072 programs and 530
Gaussians make 59 MB however many frames there are."""

JOINT_BLOCK = 32
JOINT_WARPS = 4
GAUSSIAN_BLOCK = 64
SKIN_WARPS = 2
