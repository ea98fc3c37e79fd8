"""Checkpoints as folders that other programs open: the whole model, its trained part alone, or the renderer.

A checkpoint holds whole tensors whatever engine and ZeRO stage wrote it, so an export needs neither DeepSpeed nor the
processes of the run.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch

from skeletonllm.models.trained import (
    ADAPTER_FILE,
    ADAPTER_WEIGHTS,
    BACKBONE_FOLDER,
    FRAME_SETTINGS,
    Trained,
    find_trained,
    save_facts,
    save_trained,
)
from skeletonllm.rendering.published import PublishedDrAction
from skeletonllm.rendering.weights import RENDERER_FILE
from skeletonllm.training.arguments import Recipe
from skeletonllm.training.build import build_model
from skeletonllm.training.checkpoint import CHECKPOINT_FOLDER, Checkpoint
from skeletonllm.training.lora import lora_config, merge_lora
from skeletonllm.training.parts import part_of, projector_modules
from skeletonllm.training.restore import recipe_of, restore

KINDS = ("merged", "adapter", "renderer")
EXPORT_FOLDER = "export"
EXPORT_FILE = "export.json"


def export(checkpoint: Checkpoint, kind: str, folder: Path | None = None, published: bool = False) -> Path:
    """Write a checkpoint's model as one of ``KINDS``.

    - ``merged``: the whole model with its adapters added to the layers beside them, for ``from_pretrained``.
    - ``adapter``: what PEFT opens on the plain backbone, adapters and projector; with the renderer and the processor
      ``load_trained`` opens it as well. A backbone that lies in no folder, the tiny one, is written along.
    - ``renderer``: the renderer alone, for ``read_renderer`` or, with ``published``, in the released format, for
      ``DrAction.from_published`` and the published code.

    Args:
        checkpoint: what was trained.
        kind: what to write.
        folder: where to; default ``export/KIND`` (``export/published``) beside the run's checkpoints.
        published: the released format of a renderer.

    Returns:
        The folder. ``export.json`` in it says what it was made from.

    Raises:
        FileExistsError: the folder holds something other than an earlier export of this kind.
        ValueError: the checkpoint does not hold what this kind needs, or more than it can hold.
    """
    if kind not in KINDS:
        raise ValueError(f"cannot export to {kind!r}, expected {', '.join(KINDS)}")
    if published and kind != "renderer":
        raise ValueError(f"the published format is one of renderers; {kind} has none")
    kind = "published" if published else kind
    if folder is None:
        inside = checkpoint.path.parent.name == CHECKPOINT_FOLDER
        folder = checkpoint.path.parents[1 if inside else 0] / EXPORT_FOLDER / kind
    _refuse_foreign(folder, kind)
    recipe = recipe_of(checkpoint)
    if kind == "adapter":
        _check_adapter(checkpoint, recipe)
    trained = restore(checkpoint)
    if published and not isinstance(trained.model.renderer, PublishedDrAction):
        raise ValueError(
            "the published format holds renderers that began with released weights (model.renderer_weights); this one "
            "has features of body regions where the format has one per Gaussian, and another modulator. It can be "
            "written without --published"
        )
    draft = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    if kind == "merged":
        merge_lora(trained.model)
        save_trained(draft, trained)
    elif kind == "adapter":
        _save_adapter(draft, trained, checkpoint, recipe, folder)
    elif kind == "renderer":
        _save_renderer(draft, trained)
    else:
        _save_published(draft, trained, checkpoint, recipe)
    facts = dict(kind=kind, recipe=recipe.name, stage=checkpoint.state["stage"], step=checkpoint.step)
    (draft / EXPORT_FILE).write_text(json.dumps({**facts, "files": _files(draft)}, indent=1))
    if folder.exists():
        shutil.rmtree(folder)
    os.replace(draft, folder)
    return folder


def adapter_tensors(learnt: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Adapters and projector of a checkpoint under the names that PEFT gives them in a file."""
    kept = {name: value for name, value in learnt.items() if part_of(name) in ("lora", "projector")}
    return {
        f"base_model.model.{name.removeprefix('backbone.').replace('.default.', '.')}": value.contiguous()
        for name, value in kept.items()
    }


def _check_adapter(checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Raises ValueError if the checkpoint is no adapter: it has none, or it changed what adapters stand beside."""
    parts = {part_of(name) for name in checkpoint.tensors["model"]}
    whole = sorted(parts & {"vision", "language"})
    if whole:
        raise ValueError(
            f"{checkpoint.path}: the weights of {' and '.join(whole)} were trained themselves, which adapters cannot "
            "hold; export to merged"
        )
    if "lora" not in parts:
        first = [name for name, stage in recipe.stages.items() if "lora" in stage.train and stage.epochs > 0]
        when = f"{first[0]} is the first stage that trains them" if first else "no stage of its recipe trains them"
        raise ValueError(f"{checkpoint.path} has no adapters: {when}; export to renderer or merged")
    found = find_trained(recipe.model.backbone)
    if found is not None and (found / ADAPTER_FILE).is_file():
        raise ValueError(f"{checkpoint.path} was trained upon the adapters in {found}; export to merged")


def _save_adapter(draft: Path, trained: Trained, checkpoint: Checkpoint, recipe: Recipe, folder: Path) -> None:
    from safetensors.torch import save_file

    # From the checkpoint, which has them in float32: the restored model may be in the backbone's own type.
    tensors = adapter_tensors(checkpoint.tensors["model"])
    save_file(tensors, draft / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = lora_config(recipe.model.lora)
    config.inference_mode = True
    learnt = any(part_of(name) == "projector" for name in checkpoint.tensors["model"])
    config.modules_to_save = projector_modules(trained.model.backbone) if learnt else None
    config.base_model_name_or_path = _backbone_place(draft, trained, recipe, folder)
    config.save_pretrained(draft)
    _save_renderer(draft, trained)
    save_facts(draft, trained)


def _backbone_place(draft: Path, trained: Trained, recipe: Recipe, folder: Path) -> str:
    """Where the backbone lies on which the adapters stand: a folder, or a name on the hub."""
    if recipe.model.backbone == "tiny":
        model, _ = build_model(recipe.model, trained.labels, recipe.optimization.seed)
        model.backbone.save_pretrained(draft / BACKBONE_FOLDER)
        return str((folder / BACKBONE_FOLDER).resolve())
    place = find_trained(recipe.model.backbone) or Path(recipe.model.backbone)
    return str(place.resolve()) if place.is_dir() else recipe.model.backbone


def _save_renderer(draft: Path, trained: Trained) -> None:
    config = trained.model.config
    trained.model.renderer.save(draft / RENDERER_FILE, **{name: getattr(config, name) for name in FRAME_SETTINGS})


def _save_published(draft: Path, trained: Trained, checkpoint: Checkpoint, recipe: Recipe) -> None:
    config = trained.model.config
    trained.model.renderer.save_published(
        draft / RENDERER_FILE,
        name=recipe.name,
        description=f"Renderer after step {checkpoint.step}, stage {checkpoint.state['stage']}.",
        source_checkpoint=checkpoint.path.name,
        render_frames=config.num_frames,
        render_size=config.image_size,
    )


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _refuse_foreign(folder: Path, kind: str) -> None:
    """Raises FileExistsError if a folder holds anything but an earlier export of a kind."""
    if not folder.exists():
        return
    found = [] if not folder.is_dir() else _files(folder)
    if folder.is_dir() and not found:
        return
    written = folder / EXPORT_FILE
    earlier = json.loads(written.read_text()) if written.is_file() else {}
    if earlier.get("kind") != kind or {*found} - {EXPORT_FILE} != {*earlier.get("files", ())}:
        raise FileExistsError(f"{folder} holds something else than an earlier export to {kind}; choose another folder")
