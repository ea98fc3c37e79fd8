"""Embeddings of labels, read from the files of a backbone without loading it."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoTokenizer
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME, cached_file

from skeletonllm.models.trained import find_trained

_TABLE = "embed_tokens.weight"


def label_embeddings(backbone: str | Path, labels: Sequence[str]) -> torch.Tensor:
    """(L, D) float32: for each of L labels the mean of its tokens' input embeddings.

    Args:
        backbone: the name or folder of a model, or the folder of one that was trained here.
        labels: of one token at least.

    Raises:
        OSError: there is no such model.
        ValueError: its files hold no table of input embeddings.
    """
    place = str(find_trained(backbone) or backbone)
    file, name = _find_table(place)
    tokenizer = AutoTokenizer.from_pretrained(place)
    rows = [tokenizer.encode(label, add_special_tokens=False) for label in labels]
    with safe_open(file, "pt") as tensors:
        # Of a table of gigabytes, only the rows of the labels' tokens.
        table = tensors.get_slice(name)
        read = {token: table[token : token + 1][0].float() for token in sorted({t for row in rows for t in row})}
    return torch.stack([torch.stack([read[token] for token in row]).mean(0) for row in rows])


def _find_table(place: str) -> tuple[str, str]:
    """The file with the input embeddings, and their name in it."""
    index = cached_file(place, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    if index is not None:
        files = json.loads(Path(index).read_text())["weight_map"]
    else:
        with safe_open(cached_file(place, SAFE_WEIGHTS_NAME), "pt") as tensors:
            files = dict.fromkeys(tensors.keys(), SAFE_WEIGHTS_NAME)
    names = [name for name in files if name.endswith(_TABLE)]
    if len(names) != 1:
        raise ValueError(f"{place}: {len(names)} tensors are called {_TABLE}, expected the input embeddings alone")
    return cached_file(place, files[names[0]]), names[0]
