"""Steps prepared in advance: in order, the same for any number of workers, errors and all."""

import os

import pytest
import torch

from skeletonllm.data.loading import in_advance


def prepare(step):
    if step == 7:
        raise ValueError("step 7 cannot be made")
    return dict(step=step, tensor=torch.full((3,), float(step)), text=["as it is"], process=os.getpid())


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_steps_come_in_order_and_as_they_were_made(workers):
    made = list(in_advance(prepare, 2, 7, workers))
    assert [one["step"] for one in made] == [2, 3, 4, 5, 6]
    assert all(one["tensor"].tolist() == [one["step"]] * 3 and one["text"] == ["as it is"] for one in made)
    assert len({one["process"] for one in made} - {os.getpid()}) == min(workers, 5)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_to_whoever_waits_for_the_step(workers):
    steps = in_advance(prepare, 6, 9, workers)
    assert next(steps)["step"] == 6
    with pytest.raises(ValueError, match="step 7 cannot be made"):
        next(steps)


@pytest.mark.parametrize("workers", [0, 2])
def test_leaving_early_leaves_nothing_running(workers):
    steps = in_advance(prepare, 0, 6, workers)
    next(steps)
    steps.close()
    assert list(steps) == []
