"""skeletonllm dance demo: from nothing to a dance to music that was never heard, on a CPU."""

import json
from pathlib import Path
from typing import Annotated

import typer

SONGS, SECONDS = 12, 20.0
SHOWN = 0  # the song whose dance is written


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for model, dances and results.")] = Path(
        "demo_dance"
    ),
    songs: Annotated[int, typer.Option(min=2, help="How many songs to dance to.")] = SONGS,
    seconds: Annotated[float, typer.Option(min=5, help="Of each.")] = SECONDS,
    changes: Annotated[
        list[str] | None, typer.Option("--change", help="To the recipe tiny, such as optimization.steps=100.")
    ] = None,
) -> None:
    """Train the tiny generator on the embedded songs and dances, dance to songs it never heard, and measure it."""
    import time

    from tqdm import tqdm

    from skeletonllm.cli.dance.evaluate import mean_rows, set_rows
    from skeletonllm.cli.evaluate import print_table
    from skeletonllm.dance.files import write_dance
    from skeletonllm.dance.generator import Generator
    from skeletonllm.dance.metrics import evaluate_motions
    from skeletonllm.dance.metrics.matching import match_beats
    from skeletonllm.dance.music import music_features
    from skeletonllm.dance.postprocess import postprocess
    from skeletonllm.dance.synthesis import embedded_pairs, write_wav
    from skeletonllm.dance.training.recipe import load_dance_recipe
    from skeletonllm.dance.training.run import train
    from skeletonllm.evaluation.provenance import provenance

    begin = time.monotonic()
    print("1/4  training on songs and dances that are made by rule")
    generator = Generator.load(
        train(load_dance_recipe("tiny", changes or []), output / "run", resume=(output / "run").exists())
    )
    print(f"2/4  dancing {seconds:g} s to each of {songs} songs of tempi and keys that it never heard")
    pairs = list(embedded_pairs(songs, 0, seconds, split="test"))
    heard = [music_features((pair.song.samples, pair.song.rate)) for pair in pairs]
    dances = [generator.dance(music, seed=0)[0] for music in tqdm(heard, unit="dance", disable=None)]
    print("3/4  measuring")
    body, beats = generator.body, [music.beat_times for music in heard]
    real = [pair.motion for pair in pairs]
    matched = {"generated": match_beats(dances, beats, body), "by rule": match_beats(real, beats, body)}
    metrics = evaluate_motions(dances, body, beats=beats, reference=real)
    print("4/4  writing a dance")
    song, dance = pairs[SHOWN].song, postprocess(dances[SHOWN], body)
    write_wav(output / "song.wav", song.samples, song.rate)
    for name in ("dance.mp4", "dance.gif", "dance.bvh"):
        written = write_dance(output / name, dance, body, music=(song.samples, song.rate))
        print(f"written to {written.path}" + f" ({'; '.join(written.notes)})" * bool(written.notes))
    minutes = (time.monotonic() - begin) / 60
    results = dict(matched=matched, metrics=metrics, minutes=minutes, **provenance())
    (output / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    print_table(matching_rows(matched))
    print_table(mean_rows(metrics))
    print_table(set_rows(metrics))
    print(f"{minutes:.1f} minutes; everything is in {output}")


def matching_rows(matched: dict[str, dict]) -> list[list[str]]:
    """A table of beat alignment with the dances' own music and with other music."""
    rows = [["beat alignment", "own music", "other music", "difference"]]
    for who, found in matched.items():
        for name, values in found.items():
            over = name.removeprefix("beat_alignment_")
            cells = (_cell(values[what]) for what in ("own", "other", "difference"))
            rows.append([f"{who}, {over}", *cells])
    return rows


def _cell(found: dict) -> str:
    low, high = found["interval_95"]
    return f"{found['value']:.2f} [{low:.2f}, {high:.2f}]"
