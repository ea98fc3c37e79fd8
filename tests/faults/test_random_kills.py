"""Kills at moments that nobody chose; see random_kills.py, which prints their log."""

import pytest
from random_kills import ENGINES, LONGER, Campaign


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_however_often_it_is_killed_a_run_comes_to_the_same_and_no_sample_is_lost_or_doubled(
    write_recipe, tmp_path, kills
):
    campaign = Campaign(write_recipe(**LONGER), tmp_path, kills)
    campaign.run()
    assert len(campaign.kills) == kills and not campaign.wrong
    assert kills < len(ENGINES) * 10 or {kill.engine for kill in campaign.kills} == set(ENGINES)
