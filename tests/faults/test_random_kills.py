"""Kills at moments that nobody chose; see random_kills.py, which prints their log."""

import pytest
from random_kills import ENGINES, LONGER, Campaign


def test_a_run_killed_at_random_moments_comes_to_the_same(minute, tmp_path):
    campaign = Campaign(minute, tmp_path, kills=2, engines=["plain"])
    campaign.run()
    assert len(campaign.kills) == 2 and not campaign.wrong


@pytest.mark.slow
def test_a_hundred_kills_under_both_engines_lose_and_double_no_sample(write_recipe, tmp_path):
    campaign = Campaign(write_recipe(**LONGER), tmp_path, kills=100)
    campaign.run()
    assert len(campaign.kills) == 100 and not campaign.wrong
    assert {kill.engine for kill in campaign.kills} == set(ENGINES)
