"""The dataset card of packed shards, and putting them on the Hub."""

from pathlib import Path

_CARD = """\
---
pretty_name: {title}
tags: [skeleton, human-motion, action-recognition]
configs:
- config_name: default
  data_files:
  - split: train
    path: shard-*.parquet
---
# {name}

{recordings:,} skeleton recordings{left_out}, packed by SkeletonLLM. The column `split` says what is for training and
what for testing by the usual protocol of the source; the split `train` above is all of them.

```python
from datasets import load_dataset
rows = load_dataset("parquet", data_files="shard-*.parquet", split="train", streaming=True)

from skeletonllm.data.shards import PackedShards
row = PackedShards(".").read(group=0, row=0)  # row.sequence, row.label, row.captions, ...
```

| column | what it is |
|---|---|
| id | unique here |
| label, captions, rationale | the action, sentences about the motion, what each body part does |
| split, performer, view, attributes | what splits are made of; attributes are a JSON object of integers |
| topology | name of the skeleton; one that SkeletonLLM does not know is described in the metadata of the file |
| fps | frames per second |
| shape | frames, persons, joints, 3 |
| joints | {precision}, metres, flat; zero where unknown |
| valid | bytes: a bit per joint of each frame and person, the first in the highest bit, 0 where the joint is unknown |
| confidence | bytes: one per joint likewise, 255 where a pose estimator was sure; null where there is none |
| notes | what the reader of the original file assumed |

Y is up, Z away from the camera; a person who faces it has the left side at smaller x. Joint rotations of formats that
have them are left out. The licence is that of the source, which is not stated here.
"""


def write_card(folder: Path, name: str, precision: str, recordings: int, rejected: int) -> None:
    """Write ``README.md``."""
    left_out = f" ({rejected:,} files could not be read)" if rejected else ""
    title = '"' + name.replace("\\", "").replace('"', "") + '"'
    text = _CARD.format(title=title, name=name, precision=precision, recordings=recordings, left_out=left_out)
    (folder / "README.md").write_text(text, encoding="utf-8")


def push(folder: Path, repository: str) -> str:
    """Upload shards to a dataset repository of the Hub, private if it is new; returns its ``hf://`` path."""
    from huggingface_hub import HfApi

    hub = HfApi()
    hub.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
    patterns = ["README.md", "manifest.json", "shard-*.parquet"]
    hub.upload_folder(repo_id=repository, repo_type="dataset", folder_path=folder, allow_patterns=patterns)
    return f"hf://datasets/{repository}"
