"""Compiles Triton kernels for GPUs that are not there, reads what they need, and runs tests in a process of their own.

A process either compiles kernels or interprets them, decided by ``TRITON_INTERPRET`` when triton is imported. Tests of
either kind therefore live in files that pytest does not collect by itself, and a collected test runs those files with
`run_in_new_process`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = (80, 90, 100)
# Largest shared memory of one block, in bytes (CUDA C++ Programming Guide, compute capabilities).
SHARED_LIMIT = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}


def run_in_new_process(*arguments: str | Path, interpreted: bool) -> str:
    """Runs ``python arguments...`` with triton interpreting or compiling; returns what it printed.

    The compiled kernels of other runs are not reused, so that nothing passes because it passed before.

    Raises:
        AssertionError: with everything that it printed, if it ends with an error.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, TRITON_CACHE_DIR=cache, TRITON_INTERPRET="1" if interpreted else "0")
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")]
        )
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compile_for(kernel, signature: dict, constants: dict, capability: int, aligned=(), **options):
    """Compiles one variant of a ``@triton.jit`` function to a cubin, without a device.

    Args:
        signature: type of each argument that is not a constant, such as ``"*fp32"``, ``"*i64"``, ``"i32"``.
        constants: value of each ``tl.constexpr`` argument.
        capability: 80, 90 or 100.
        aligned: names of the pointers, and of integers that are multiples of 16, on which a real launch specialises.
        options: ``num_warps``, ``num_stages``, ``maxnreg``.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(kernel.arg_names)
    types = {name: "constexpr" if name in constants else signature[name] for name in names}
    multiples_of_16 = {(names.index(name),): [["tt.divisibility", 16]] for name in aligned}
    source = ASTSource(fn=kernel, signature=types, constexprs=constants, attrs=multiples_of_16)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def resources(compiled) -> dict[str, int]:
    """``registers`` per thread, ``stack`` bytes, ``spills`` (local memory instructions) and ``shared`` bytes."""
    import triton

    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        usage, code = (
            subprocess.run([tools / tool, flag, file.name], capture_output=True, text=True, check=True).stdout
            for tool, flag in (("cuobjdump", "-res-usage"), ("nvdisasm", "-c"))
        )
    return {
        "registers": int(re.search(r"\bREG:(\d+)", usage)[1]),
        "stack": int(re.search(r"\bSTACK:(\d+)", usage)[1]),
        "spills": len(re.findall(r"\b(?:STL|LDL)\b", code)),
        "shared": compiled.metadata.shared,
    }


def assert_fits(name: str, compiled, capability: int) -> None:
    """Prints what a compiled kernel needs; fails if registers spill or it takes more shared memory than a block has."""
    needs = resources(compiled)
    print(f"sm_{capability} {name}: " + ", ".join(f"{value} {need}" for need, value in needs.items()))
    assert needs["spills"] == 0 and needs["stack"] == 0, f"{name} spills registers on sm_{capability}: {needs}"
    assert needs["shared"] <= SHARED_LIMIT[capability], (
        f"{name} takes too much shared memory on sm_{capability}: {needs}"
    )
