"""A kernel's call as whole numbers in memory, so that any thread can take part in it without asking the interpreter.

A kernel is a C function of one pointer, to a record of int64: how many tasks there are, how many have been begun and
how many are done, the width of the grid, then each array as its address, shape and strides. All threads get
the same record, and each takes tasks from it until none is left.
"""

from array import array
from typing import Any

import numba
import torch
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array
from torch import Tensor

TASKS, BEGUN, DONE, WIDTH, ARRAYS = range(5)  # places in a record
NO_AXES = (0,) * 6  # an array has six at most, and takes 13 places
SIGNATURE = numba.void(numba.types.voidptr)
WORD = ir.IntType(64)


def record_of(tasks: int, width: int, arrays: tuple[Tensor, ...]) -> "array[int]":
    """The record of a call. The arrays must outlive it.

    Raises:
        TypeError: one is not of float32 in the processor's memory; a kernel would read it as if it were.
    """
    words = [tasks, 0, 0, width]
    for tensor in arrays:
        if tensor.dtype is not torch.float32 or not tensor.is_cpu:
            raise TypeError(f"kernels read float32 on a CPU, not {tensor.dtype} on {tensor.device}")
        rest = NO_AXES[tensor.ndim :]
        words += (tensor.data_ptr(), *tensor.shape, *rest, *tensor.stride(), *rest)
    return array("q", words)


def address_of(record: "array[int]") -> int:
    """What a kernel is called with."""
    return record.buffer_info()[0]


def all_done(record: "array[int]") -> bool:
    """Whether every task was done. A thread that finds no memory to work in does none."""
    return record[DONE] == record[TASKS]


def _place(builder: ir.IRBuilder, record: ir.Value, index: int) -> ir.Value:
    words = builder.bitcast(record, WORD.as_pointer())
    return builder.gep(words, [ir.Constant(WORD, index)])


def _reads(index: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_place(builder, values[0], index))

    return intrinsic(lambda typing_context, record: (types.int64(record), generate))


def _adds_one(index: int) -> Any:
    """Adds one, whatever other threads do, and gives what was there."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, values[0], index), ir.Constant(WORD, 1), "seq_cst")

    return intrinsic(lambda typing_context, record: (types.int64(record), generate))


# For kernels, of a record.
tasks, width = _reads(TASKS), _reads(WIDTH)
begin, finish = _adds_one(BEGUN), _adds_one(DONE)


@intrinsic(prefer_literal=True)
def given(_: Any, record: Any, which: Any, axes: Any, layout: Any) -> Any:
    """The float32 array that was given as number ``which``, in a kernel. layout: "C", or "A" for any."""
    of = types.Array(types.float32, axes.literal_value, layout.literal_value)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        most = len(NO_AXES)
        first = ARRAYS + which.literal_value * (1 + 2 * most)
        address, *rest = (builder.load(_place(builder, values[0], first + i)) for i in range(1 + 2 * most))
        size = ir.Constant(WORD, 4)
        view = make_array(of)(context, builder)
        populate_array(
            view,
            data=builder.inttoptr(address, view.data.type),
            shape=cgutils.pack_array(builder, rest[: of.ndim]),
            strides=cgutils.pack_array(builder, [builder.mul(step, size) for step in rest[most : most + of.ndim]]),
            itemsize=size,
            meminfo=None,
        )
        return view._getvalue()

    return of(record, which, axes, layout), generate
