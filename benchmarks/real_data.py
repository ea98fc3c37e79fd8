"""Questions, localization and generalised zero-shot recognition on real recordings, beside answers that see nothing.

    python benchmarks/real_data.py sides --root UTD_MHAD [--seeds 3] [--steps 300] [-o results.json]
    python benchmarks/real_data.py zero_shot --root NW_UCLA
    python benchmarks/real_data.py localization --root UTKINECT

The model that ships with the package, which never saw anybody real, goes on from there on the training side of the real
recordings and on embedded motions beside them, once for each seed. The renderer keeps its values. What is measured:

sides         UTD-MHAD, odd subjects train, even ones test; which arm moves, what moves most, how many hands go up.
zero_shot     Northwestern-UCLA, views 1 and 2 train, view 3 tests; two of the ten actions never train.
localization  UTKinect, whole recordings, watched in windows; each seed leaves other people out, so that all are tested.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from real_data_learning import Settings
from real_data_localization import localize
from real_data_sides import sides
from real_data_zero_shot import zero_shot

from skeletonllm.evaluation.provenance import provenance

# Of the settings, those that may be asked for.
NUMBERS = {
    "seeds": "models that learn from the real recordings",
    "steps": "of learning, from the shipped model on",
    "frames": "of a clip",
    "asked": "test questions of each kind",
}
EXPERIMENTS = {"zero_shot": zero_shot, "sides": sides, "localization": localize}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--root", type=Path, required=True, help="folder of the data set")
    for name, meaning in NUMBERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings, name), help=meaning)
    parser.add_argument("-o", "--output", type=Path, help="JSON file of the results")
    options = parser.parse_args(arguments)
    settings = Settings(**{name: getattr(options, name) for name in NUMBERS})
    begin = time.monotonic()
    tables = EXPERIMENTS[options.experiment](options.root, settings)
    for name, rows in tables.items():
        print(f"\n{name}\n\n| | mean | 95 % interval |\n|---|---|---|")
        for label, value, low, high in rows:
            print(f"| {label} | {value:.3f} | {low:.3f} to {high:.3f} |")
    if options.output:
        facts = dict(experiment=options.experiment, settings=asdict(settings), minutes=(time.monotonic() - begin) / 60)
        options.output.write_text(json.dumps({**facts, "tables": tables, **provenance()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
