"""Compiles the penetration kernels for each GPU target, with no device. See test_penetration_triton.py."""

import pytest
from compile_target import TARGETS, assert_fits, compile_for

from skeleton_kernels.penetration import triton_kernels

POINTERS = dict.fromkeys(
    ["joints", "radii", "energy", "depths", "grad_energy", "grad_depths", "grad_joints", "grad_radii"], "*fp32"
)
NUMBERS = dict.fromkeys(["num_joints", "num_capsules", "num_pairs", "body_step", "radii_step"], "i32")
SIGNATURE = {**POINTERS, **NUMBERS, "capsules": "*i64", "pairs": "*i64"}
CONSTANTS = {"BLOCK": triton_kernels.PAIRS, "COLUMNS": triton_kernels.JOINTS}
KERNELS = {"forward": triton_kernels.forward_kernel, "backward": triton_kernels.backward_kernel}


def compile_variant(name: str, capability: int, **options):
    """As a launch specialises it: torch's storage is 16-byte aligned, radii are dense or one row for all bodies."""
    kernel = KERNELS[name]
    constants = {key: value for key, value in CONSTANTS.items() if key in kernel.arg_names} | {"radii_step": 1}
    aligned = [name for name in kernel.arg_names if SIGNATURE.get(name, "").startswith("*")]
    return compile_for(kernel, SIGNATURE, constants, capability, aligned, **options)


@pytest.mark.parametrize("capability", TARGETS)
@pytest.mark.parametrize("name", KERNELS)
def test_it_compiles_without_spilling_registers(name, capability):
    compiled = compile_variant(name, capability, num_warps=triton_kernels.WARPS)
    assert f".target sm_{capability}" in compiled.asm["ptx"]
    assert "atom" not in compiled.asm["ptx"] and "red.global" not in compiled.asm["ptx"]
    assert_fits(f"penetration {name}", compiled, capability)


def test_spilled_registers_are_noticed():
    with pytest.raises(AssertionError, match="spills registers on sm_90"):
        assert_fits("starved", compile_variant("backward", 90, num_warps=1, maxnreg=32), 90)
