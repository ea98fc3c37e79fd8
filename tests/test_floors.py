"""The floors of the house: imports go down only, and heavy libraries stay in their rooms."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A package may import from packages with a smaller number, and from itself. The top of skeletonllm stands on nothing,
# because its names load on first use; recipes hold YAML alone.
FLOORS = {
    "skeletonllm.__main__": 9,
    "skeletonllm.cli": 8,
    "skeletonllm.serving": 7,
    "skeletonllm.studies": 6,
    "skeletonllm.training": 5,
    "skeletonllm.evaluation": 5,
    "skeletonllm.dance": 6,
    "skeletonllm.data": 4,
    "skeletonllm.tasks": 3,
    "skeletonllm.models": 3,
    "skeletonllm.rendering": 2,
    "skeletonllm.skeleton": 1,
    "skeletonllm.recipes": 0,
    "skeleton_kernels": 0,
    "skeletonllm": -1,
}
# Libraries that are large, or missing on some machines: who may import them, and only inside functions.
ROOMS = {
    "deepspeed": ("skeletonllm.training", "skeletonllm.cli.export"),
    "peft": ("skeletonllm.training", "skeletonllm.cli.export"),
    "datasets": ("skeletonllm.data",),
    "mujoco": ("skeletonllm.dance",),
    "mujoco_warp": ("skeletonllm.dance",),
    "warp": ("skeletonllm.dance",),
    "librosa": ("skeletonllm.dance",),
    "soundfile": ("skeletonllm.dance",),
    "gymnasium": ("skeletonllm.dance",),
    "stable_baselines3": ("skeletonllm.dance",),
}
# Next to a torch that is not its exact pair it breaks `import transformers`.
NOWHERE = {"torchvision"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "kernels" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """(dotted name, whether at the top of the module) of everything that a module of ``package`` ever imports."""

    def walk(node: ast.AST, top: bool) -> Iterator[tuple[str, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from ((alias.name, top) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                above = package.split(".")[: len(package.split(".")) - child.level + 1] if child.level else []
                base = ".".join([*above, *([child.module] if child.module else [])])
                # The name may be a module: `from skeletonllm import cli` is an import of skeletonllm.cli.
                yield from ((f"{base}.{alias.name}", top) for alias in child.names)
            elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith(("import_module", "__import__")):
                named = (argument.value for argument in child.args if isinstance(argument, ast.Constant))
                yield from ((name, top) for name in named if isinstance(name, str))
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(child, top and not inside)

    return walk(ast.parse(source), True)


def floor_of(name: str) -> str | None:
    return next((package for package in FLOORS if name == package or name.startswith(package + ".")), None)


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """What the source of a module imports against the rules."""
    package = module if is_package else module.rpartition(".")[0]
    home = floor_of(module)
    wrong = []
    for name, top in imports(source, package):
        library = name.split(".")[0]
        target = floor_of(name)
        if target is not None:
            # A public name taken from the top (`from skeletonllm import __version__`) would hide where it lives.
            public = target == "skeletonllm" and name != "skeletonllm.__version__"
            if public or (target != home and FLOORS[target] >= FLOORS[home]):
                wrong.append(f"{module} imports {name}")
        elif library in ROOMS and (top or not module.startswith(ROOMS[library])):
            wrong.append(f"{module} imports {library}" + (" at the top" if top else ""))
        elif library in NOWHERE:
            wrong.append(f"{module} imports {library}")
        elif library not in sys.stdlib_module_names:
            allowed = {
                "skeleton_kernels": {"torch", "triton"},
                "skeletonllm.skeleton": {"numpy", "torch"} if top else {"numpy", "torch", "scipy", "yaml"},
                "skeletonllm": set(),
            }.get(home)
            if allowed is not None and library not in allowed:
                wrong.append(f"{module} imports {library}" + (" at the top" if top else ""))
    return wrong


SOURCES = sorted([*(ROOT / "skeletonllm").rglob("*.py"), *(ROOT / "kernels" / "skeleton_kernels").rglob("*.py")])


def test_all_imports_go_down_and_heavy_libraries_stay_in_their_rooms():
    assert len(SOURCES) > 20
    wrong = []
    for path in SOURCES:
        wrong += violations(path.read_text(), module_name(path), path.name == "__init__.py")
    assert not wrong, "\n".join(wrong)


def test_every_package_has_a_floor():
    packages = {f"skeletonllm.{path.parent.name}" for path in (ROOT / "skeletonllm").glob("*/__init__.py")}
    assert packages <= set(FLOORS)


def test_nothing_outside_the_packages_imports_torchvision():
    for path in [*(ROOT / "tests").rglob("*.py"), *(ROOT / "kernels").rglob("*.py"), *ROOT.glob("*.py")]:
        assert not {name.split(".")[0] for name, _ in imports(path.read_text(), "")} & NOWHERE, path


def test_the_folder_kernels_does_not_shadow_the_hugging_face_package_of_that_name():
    assert not (ROOT / "kernels" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("skeletonllm.skeleton.sequence", "from skeletonllm.rendering.draction import DrAction"),
        ("skeletonllm.skeleton.sequence", "def f():\n    from skeletonllm import rendering"),
        ("skeletonllm.skeleton.sequence", "from ..rendering import camera"),
        ("skeletonllm.skeleton.sequence", "from importlib import import_module\nimport_module('skeletonllm.cli')"),
        ("skeletonllm.skeleton.sequence", "import scipy.io"),
        ("skeletonllm.skeleton.sequence", "def f():\n    import transformers"),
        ("skeletonllm.skeleton.sequence", "import skeleton_kernels.nothing, PIL"),
        ("skeletonllm.tasks.recognition", "import skeletonllm.models.tiny"),
        ("skeletonllm.data.shards", "import datasets"),
        ("skeletonllm.models.tiny", "def f():\n    import datasets"),
        ("skeletonllm.models.tiny", "class C:\n    def f(self):\n        from peft import LoraConfig"),
        ("skeletonllm.training.engine", "try:\n    import deepspeed\nexcept ImportError:\n    pass"),
        ("skeletonllm.cli.train", "from skeletonllm import DrAction"),
        ("skeletonllm.rendering.video", "def f():\n    import torchvision"),
        ("skeleton_kernels.splat.cpu", "import numpy"),
        ("skeleton_kernels.splat.cpu", "from skeletonllm.skeleton import topology"),
    ],
)
def test_the_rules_notice(module, source):
    assert violations(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("skeletonllm.skeleton.topology", "def f():\n    import yaml"),
        ("skeletonllm.skeleton.formats.ntu", "from ..sequence import SkeletonSequence"),
        ("skeletonllm.training.engine", "def f():\n    import deepspeed"),
        ("skeletonllm.data.shards", "def f():\n    from datasets import load_dataset"),
        ("skeletonllm.cli.train", "def f():\n    from skeletonllm.training import trainer"),
        ("skeletonllm.rendering.draction", "from skeleton_kernels import splat_bones"),
        ("skeleton_kernels.splat.cpu", "import math\nimport torch\nfrom .reference import project"),
    ],
)
def test_the_rules_allow(module, source):
    assert not violations(source, module)
