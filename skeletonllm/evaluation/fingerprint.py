"""Digests of what answers depend on, so that answers are only put together if they belong together."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import skeleton_kernels
from skeletonllm.evaluation.respondents import Test
from skeletonllm.models.trained import Trained
from skeletonllm.skeleton.sequence import SkeletonSequence

PACKAGE = Path(__file__).resolve().parents[1]
# Whose source decides about answers.
DECISIVE = ("skeleton", "rendering", "models", "tasks", "data", "evaluation")


def model_digest(trained: Trained) -> str:
    """sha256 of all parameters and buffers, settings, labels and the tokenizer of a model, wherever it is stored."""
    digest = hashlib.sha256()
    for name, value in sorted(trained.model.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    tokenizer = trained.processor.tokenizer
    others = {name: value for name, value in vars(trained.processor).items() if name not in ("tokenizer", "family")}
    settings = {
        # Where a model lies, and which release wrote it, changes no answer; the types of its parameters are known.
        "model": _without(trained.model.config.to_dict(), ("_name_or_path", "transformers_version", "dtype")),
        "processor": others | {"family": trained.processor.family.model_type},
        "tokenizer": [tokenizer.get_vocab(), tokenizer.chat_template, tokenizer.eos_token_id],
        "generation": _without(trained.model.generation_config.to_dict(), ("transformers_version",)),
        "labels": trained.labels,
        "listed": trained.listed,
    }
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def questions_digest(test: Test) -> str:
    """sha256 of the questions of a test, in their order, and of the motions that they are about."""
    asked = [asdict(question) for question in test.posed]
    digest = hashlib.sha256(json.dumps([test.task, test.selection.candidates, test.selection.unseen, asked]).encode())
    for recording, sequence in test.recordings:
        digest.update(recording.id.encode())
        for piece in _pieces(sequence):
            digest.update(piece)
    return digest.hexdigest()


def code_digest() -> str:
    """sha256 of the source that decides about answers."""
    folders = [PACKAGE / name for name in DECISIVE] + [Path(skeleton_kernels.__file__).parent]
    return _files_digest(path for folder in folders for path in sorted(folder.rglob("*.py")))


def _files_digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _pieces(sequence: SkeletonSequence) -> Iterable[bytes]:
    yield json.dumps([sequence.fps, asdict(sequence.topology), sequence.joints.shape]).encode()
    yield np.ascontiguousarray(sequence.joints).tobytes()
    yield np.ascontiguousarray(sequence.valid).tobytes()


def _without(content: object, names: Iterable[str]) -> object:
    """JSON-able content without some keys, however deep."""
    if not isinstance(content, dict):
        return content
    return {key: _without(value, names) for key, value in content.items() if key not in names}
