"""Training on packed sources: stopped anywhere and gone on with other workers, it is the run that was never stopped."""

import json
from collections import Counter

import pytest
from minute_runs import assert_same, lines_of, stopped_after, weights_of

from skeletonllm.data import packing
from skeletonllm.data.annotations import Listed
from skeletonllm.data.sources import load_source
from skeletonllm.training.run import train

LABELS = ["raise both arms", "squat", "walk"]
STEPS = 15


@pytest.fixture(scope="module")
def packed_recipe(recipe, tmp_path_factory):
    """Two packed sources in two topologies, 60 recordings, 15 steps of 4."""
    patch = pytest.MonkeyPatch()
    patch.setattr(packing, "GROUP_ROWS", 8)  # so that the shards have several row groups
    sources = {}
    for topology, performers in (("kinect_v2", 12), ("coco_17", 8)):
        folder = tmp_path_factory.mktemp(topology)
        made = load_source("synthetic", None, topologies=[topology], labels=LABELS, performers=performers)
        packing.pack([Listed(one) for one in made if one.split == "train"], folder, name=topology, workers=0)
        sources[topology] = dict(source="packed", root=str(folder))
    patch.undo()
    return lambda workers: recipe(
        data=dict(source="packed", options={}, mixture=sources, workers=workers),
        scratch=dict(epochs=1),
        log_every=1,
        save_every=1000,
    )


def test_the_loss_curve_of_a_run_that_was_stopped_is_that_of_one_that_was_not(packed_recipe, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(packed_recipe(0), whole)
    for number, (stop, workers) in enumerate([(4, 2), (7, 0), (11, 1)]):
        stopped_after(stop, lambda number=number, workers=workers: train(
            packed_recipe(workers), parts, resume=number > 0
        ))  # fmt: skip
    train(packed_recipe(2), parts, resume=True)
    assert [line["loss"] for line in lines_of(parts)] == [line["loss"] for line in lines_of(whole)]
    assert len(lines_of(whole)) == STEPS
    assert_same(weights_of(parts), weights_of(whole))
    for folder in (whole, parts):
        lines = (line for path in (folder / "ledger").iterdir() for line in path.read_text().splitlines())
        seen = Counter(id for line in lines for ids in json.loads(line)["ids"] for id in ids)
        assert len(seen) == 60 and set(seen.values()) == {1}
