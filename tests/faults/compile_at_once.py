"""Compiles a kernel for an H100 when told to, and prints what came out: ``python compile_at_once.py KERNEL``."""

import hashlib
import sys

from penetration_compiled import compile_variant

from skeleton_kernels.penetration.triton_kernels import WARPS

print("ready", flush=True)
sys.stdin.readline()
print(hashlib.sha256(compile_variant(sys.argv[1], 90, num_warps=WARPS).asm["ptx"].encode()).hexdigest(), flush=True)
