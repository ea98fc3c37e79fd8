"""Every variant of the splatting kernels that their host side launches, compiled for GPUs that are not there.

Run by `test_splat_triton.py` in a process that does not interpret; `python splat_variants.py 90` does one target.
"""

import sys

from compile_target import TARGETS, assert_fits, compile_for

from skeleton_kernels.skin.triton_kernels import skin_kernel
from skeleton_kernels.splat import launch_table as table
from skeleton_kernels.splat import triton_gradients, triton_kernels
from skeleton_kernels.splat.triton_launch import tile_of

INTEGERS = {"order": "*i32", "lines": "*i32", "slots": "*i32", "skin_index": "*i64", "tiles": "*i64", "touched": "*i8"}
FLOATS = {
    "joints", "velocities", "skin_weight", "middle", "offsets", "scales", "colors", "opacities", "intrinsics", "table",
    "partials", "positions", "motions", "grad_centers", "grad_scales", "grad_colors", "grad_opacities", "grad_cameras",
    "grad_joints",
}  # fmt: skip
NUMBERS = {"log_cutoff", "scale"} | {
    f"{kind}_{color}" for kind in ("gain", "bias") for color in ("red", "green", "blue")
}
PATCHES = (14, 28)  # pixels: of common vision towers, and of what they merge into one token


def signature(kernel, picture: str) -> dict[str, str]:
    """Types of all arguments; `picture` is the type of the images or of their gradient."""

    def kind(name: str) -> str:
        if name in INTEGERS:
            return INTEGERS[name]
        if name in FLOATS:
            return "*fp32"
        return picture if name in ("images", "grad_images") else "fp32" if name in NUMBERS else "i32"

    return {name: kind(name) for name in kernel.arg_names}


def variants():
    """Yields (name, kernel, constants, options of the launch, type of the pictures)."""
    one_warp = {"num_warps": 1}
    for skinned in (False, True):
        given = {"SKINNED": skinned}
        for block in table.SORT_BLOCKS:
            yield (
                f"order {given} {block}",
                triton_kernels.order_kernel,
                given | {"BLOCK": block},
                {"num_warps": table.SORT_WARPS},
                "",
            )
        lines = given | {"LINES": table.LINE_BLOCK}
        yield f"project {given}", triton_kernels.project_kernel, lines, one_warp, ""
        yield f"gaussian gradients {given}", triton_gradients.gaussian_gradients_kernel, given, one_warp, ""
    blocks = {"JOINTS": table.JOINT_BLOCK, "GAUSSIANS": table.GAUSSIAN_BLOCK}
    yield "joint gradients", triton_gradients.joint_gradients_kernel, blocks, {"num_warps": table.JOINT_WARPS}, ""
    yield "skin", skin_kernel, {"GAUSSIANS": table.GAUSSIAN_BLOCK}, {"num_warps": table.SKIN_WARPS}, ""
    yield "touch", triton_kernels.touch_kernel, {"BLOCK": table.LINE_BLOCK}, one_warp, ""
    for picture in ("*fp32", "*bf16"):
        for patch in (0, *PATCHES):
            for name, kernel, tile in (
                ("composite", triton_kernels.composite_kernel, tile_of(patch, table.FORWARD)),
                ("composite backward", triton_gradients.composite_backward_kernel, tile_of(patch, table.BACKWARD)),
            ):
                given = {"LISTED": patch > 0, "TILE_Y": tile.height, "TILE_X": tile.width}
                options = {"num_warps": tile.warps, "maxnreg": tile.registers}
                yield f"{name} {picture[1:]}" + (f" patch {patch}" if patch else ""), kernel, given, options, picture


def check(capability: int) -> None:
    for name, kernel, constants, options, picture in variants():
        types = signature(kernel, picture)
        if constants.get("LISTED") is False:
            constants = constants | {"tiles" if "tiles" in types else "slots": None}
        # What a launch specialises on: every tensor of torch is aligned, and so are the sides of 224 and 448 pixels.
        sides = {"height", "width", "step_y", "step_x", "channel_stride", "row_stride"}
        aligned = [
            name for name, kind in types.items() if name not in constants and (kind.startswith("*") or name in sides)
        ]
        if constants.get("LISTED"):
            aligned = [name for name in aligned if name not in sides]
        assert_fits(name, compile_for(kernel, types, constants, capability, aligned, **options), capability)


if __name__ == "__main__":
    for capability in [int(argument) for argument in sys.argv[1:]] or TARGETS:
        check(capability)
