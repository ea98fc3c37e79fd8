"""skeletonllm pack: a folder, a list or a data set as Parquet shards that stream."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

MEBIBYTE = 2**20


def pack(
    source: Annotated[
        Path | None, typer.Argument(help="A folder of skeleton files, or a list of them (CSV or JSON Lines).")
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the shards.")] = None,
    known: Annotated[
        str | None, typer.Option("--source", help="Pack a known data set instead, such as nw_ucla; with --root.")
    ] = None,
    root: Annotated[str | None, typer.Option(help="Folder of its files, or of the files of a list.")] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="KEY=VALUE of the known data set; VALUE in JSON.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32 keeps joints exactly; float16 rounds by 2 mm at 4 m, in half the space.")
    ] = "float32",
    shard_mebibytes: Annotated[int, typer.Option(min=1, help="Size at which a shard is finished.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read; 0: none beside this one.")] = 2,
    verify: Annotated[
        str | None, typer.Option(metavar="SHARDS", help="Read all of these shards again and check them; packs nothing.")
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="REPOSITORY", help="Upload to the Hub when done.")] = None,
) -> None:
    """Pack skeleton recordings into shards that are read a hundred times faster.

    A pack that was stopped goes on when the same command is given again. Files that cannot be read are listed with the
    reason in rejected.jsonl.
    """
    if verify is not None:
        _verify(verify)
        return
    if out is None:
        raise ValueError("where to? give -o FOLDER")
    if (source is None) == (known is None):
        raise ValueError("give either a folder or list to pack, or --source NAME --root FOLDER")
    from tqdm import tqdm

    from skeletonllm.data.annotations import Listed, list_annotations, list_folder
    from skeletonllm.data.card import push as upload
    from skeletonllm.data.packing import pack as pack_shards
    from skeletonllm.data.sources import load_source

    if known is not None:
        listed = [Listed(recording) for recording in load_source(known, root, **parse_options(options or []))]
    elif source.is_dir():
        listed = list_folder(source)
    else:
        listed = list_annotations(source, None if root is None else Path(root))
    name = known or source.resolve().stem
    with tqdm(total=len(listed), desc=f"pack {name}", unit="clip", mininterval=0.5) as bar:
        packed = pack_shards(
            listed,
            out,
            name=name,
            precision=precision,
            shard_bytes=shard_mebibytes * MEBIBYTE,
            workers=workers,
            progress=lambda done: bar.update(done - bar.n),
        )
    resumed = f", {packed.resumed} of the list had been done" if packed.resumed else ""
    print(f"{out}: {packed.recordings} recordings in {packed.shards} shards, {packed.rejected} rejected{resumed}")
    if packed.rejected:
        print(f"{packed.rejected} files were left out, see {out / 'rejected.jsonl'}", file=sys.stderr)
    if push is not None:
        print(upload(out, push))


def _verify(root: str) -> None:
    from skeletonllm.data.shards import verify

    total = 0
    for name, count in verify(root):
        total += count
        print(f"{name}: {count} recordings are sound", flush=True)
    print(f"{root}: {total} recordings are sound")


def parse_options(given: list[str]) -> dict:
    """``["takes=2"]`` to ``{"takes": 2}``: values in JSON, else text. Raises ValueError without an equals sign."""
    options = {}
    for option in given:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"--option {option}: expected KEY=VALUE")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return options
