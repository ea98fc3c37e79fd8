"""Steps prepared ahead: what workers send arrives as it was made."""

import pytest
import torch

from skeletonllm.data.loading import in_advance


def prepared(step):
    return {
        "joints": torch.arange(6.0).reshape(2, 3).T * step,
        "valid": torch.tensor([True, False]),
        "low": torch.tensor([1.5, float("nan")], dtype=torch.bfloat16),
        "empty": torch.zeros(0, 3),
        "step": step,
    }


@pytest.mark.parametrize("workers", [0, 2])
def test_tensors_of_every_type_arrive_in_order_and_may_be_written_to(workers):
    steps = list(in_advance(prepared, 3, 8, workers))
    assert [one["step"] for one in steps] == [3, 4, 5, 6, 7]
    for step, one in enumerate(steps, start=3):
        for name, value in prepared(step).items():
            if name != "step":
                torch.testing.assert_close(one[name], value, rtol=0, atol=0, equal_nan=True)
                one[name] += one[name]
