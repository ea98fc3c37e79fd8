"""Parts of an evaluation, and who does which."""

import pytest

from skeletonllm.evaluation.parts import PARTS_FOLDER, Parts, remove_parts
from skeletonllm.evaluation.ranks import Ranks

ABOUT = {"model": "m", "settings": {"seed": 0}}


def test_every_unit_is_in_one_share_and_helpers_begin_apart():
    units = list(range(11))
    shares = [Ranks(rank, 3).share(units) for rank in range(3)]
    assert sorted(unit for share in shares for unit in share) == units
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    leftovers = [Ranks(rank, 3).leftovers(units) for rank in range(3)]
    assert all(sorted(each) == units for each in leftovers) and len({each[0] for each in leftovers}) == 3
    assert Ranks(2, 3).leftovers([]) == []


def test_a_process_knows_itself_by_what_launchers_set():
    launched = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}
    assert Ranks.from_environment(launched) == Ranks(5, 8, 1)
    assert Ranks.from_environment({"WORLD_SIZE": "8"}) == Ranks()
    for wrong in ({**launched, "RANK": "8"}, {**launched, "RANK": "first"}):
        with pytest.raises(ValueError, match="RANK, WORLD_SIZE, LOCAL_RANK of the environment"):
            Ranks.from_environment(wrong)


def test_a_part_is_there_for_all_processes_once_it_is_written(tmp_path):
    mine, others = Parts(tmp_path, ABOUT), Parts(tmp_path, ABOUT)
    assert not others.has("frames-000000")
    mine.write("frames-000000", {"texts": ["é"], "scores": [[0.1 + 0.2]]})
    assert others.has("frames-000000") and others.read("frames-000000") == {"texts": ["é"], "scores": [[0.1 + 0.2]]}
    assert {path.name for path in (tmp_path / PARTS_FOLDER).iterdir()} == {"about.json", "frames-000000.json"}


def test_parts_of_another_evaluation_are_refused_and_it_is_told_what_differs(tmp_path):
    Parts(tmp_path, ABOUT)
    with pytest.raises(ValueError, match=r"parts holds answers of an evaluation with other settings; remove"):
        Parts(tmp_path, {**ABOUT, "settings": {"seed": 1}})
    with pytest.raises(ValueError, match="with other model"):
        Parts(tmp_path, {**ABOUT, "model": "n"})


def test_a_process_that_is_still_writing_when_all_is_done_neither_fails_nor_leaves_anything(tmp_path):
    late = Parts(tmp_path, ABOUT)
    remove_parts(tmp_path)
    assert late.closed and late.has("frames-000007")
    late.write("frames-000007", {"texts": []})
    assert list(tmp_path.iterdir()) == []


def test_a_removal_that_was_interrupted_is_finished(tmp_path):
    Parts(tmp_path, ABOUT)
    (tmp_path / PARTS_FOLDER).rename(tmp_path / "parts-merged")
    Parts(tmp_path, ABOUT)
    remove_parts(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_spoilt_part_is_named(tmp_path):
    parts = Parts(tmp_path, ABOUT)
    (tmp_path / PARTS_FOLDER / "black-000001.json").write_text('{"texts": [')
    with pytest.raises(ValueError, match="black-000001.json is damaged"):
        parts.read("black-000001")
