"""A call's record: what a kernel finds in it is what was put there."""

import numba
import pytest
import torch

from medmamba.scan import calls


@numba.cfunc(calls.SIGNATURE)
def copy(record):
    """A kernel: copies an array of any strides, and writes down what it was told of the call."""
    source, target = calls.given(record, 0, 3, "A"), calls.given(record, 1, 3, "C")
    facts, nothing = calls.given(record, 2, 1, "C"), calls.given(record, 3, 6, "C")
    target[:] = source
    facts[0], facts[1], facts[2] = calls.tasks(record), calls.width(record), nothing.size
    facts[3], facts[4], facts[5] = calls.begin(record), calls.begin(record), calls.finish(record)


@pytest.mark.parametrize(
    "source",
    [
        torch.arange(24.0).view(2, 3, 4),
        torch.arange(24.0).view(4, 3, 2).permute(2, 1, 0),
        torch.arange(96.0).view(4, 6, 4)[1:3, ::2],
    ],
    ids=["dense", "turned", "a part"],
)
def test_arrays_and_numbers_arrive(source):
    target, facts = torch.zeros(2, 3, 4), torch.zeros(6)
    record = calls.record_of(2, 7, (source, target, facts, torch.empty(0, 1, 1, 1, 1, 1)))
    assert not calls.all_done(record)
    copy.ctypes(calls.address_of(record))
    assert torch.equal(target, source)
    assert facts.tolist() == [2, 7, 0, 0, 1, 0]
    record[calls.DONE] += 1
    assert calls.all_done(record)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int32])
def test_other_numbers_than_float32_are_refused(dtype):
    with pytest.raises(TypeError, match="kernels read float32"):
        calls.record_of(1, 1, (torch.zeros(3, dtype=dtype),))
