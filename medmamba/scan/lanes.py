"""Loops written as LLVM vectors, to be called from numba's kernels.

numba leaves it to the compiler to find vectors, which then reads and writes all that it touches at each step. Here a
function is written once in terms of ``Vector``, numbers of neighbouring channels side by side, and what it holds in a
``Registers`` stays in registers across the turns of a loop; loops over ``range`` are unrolled while the code is made.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

FLOAT, WHOLE, PLACE = ir.FloatType(), ir.IntType(32), ir.IntType(64)
CONTRACT = ("contract",)  # a product and a sum may become one operation; nothing may change places
ROUNDER = 1.5 * 2**23  # added to a small float32, it leaves the nearest whole number in the last bits


class Number:
    """A whole number that is known when the code runs: an index, or a count of turns."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def __add__(self, other: "Number | int") -> "Number":
        return Number(self.builder, self.builder.add(self.value, _value(other)))

    def __sub__(self, other: "Number | int") -> "Number":
        return Number(self.builder, self.builder.sub(self.value, _value(other)))


def _value(number: Number | int) -> ir.Value:
    return number.value if isinstance(number, Number) else ir.Constant(PLACE, number)


class Vector:
    """float32 numbers side by side. Operators emit instructions; plain numbers stand for vectors of them."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self.builder, self.value = builder, value

    def _operand(self, other: "Vector | float") -> ir.Value:
        if isinstance(other, Vector):
            return other.value
        return ir.Constant(self.value.type, [float(np.float32(other))] * self.value.type.count)

    def __add__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, self._operand(other), flags=CONTRACT))

    def __sub__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fsub(self.value, self._operand(other), flags=CONTRACT))

    def __mul__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, self._operand(other), flags=CONTRACT))

    def __truediv__(self, other: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fdiv(self.value, self._operand(other), flags=CONTRACT))

    def __neg__(self) -> "Vector":
        return Vector(self.builder, self.builder.fneg(self.value))

    def at_least(self, low: float) -> "Vector":
        """The larger one of each two; what is not a number stays so."""
        return self._unless(">", self._operand(low))

    def at_most(self, high: float) -> "Vector":
        """The smaller one of each two; what is not a number stays so."""
        return self._unless("<", self._operand(high))

    def _unless(self, comparison: str, bound: ir.Value) -> "Vector":
        beyond = self.builder.fcmp_ordered(comparison, bound, self.value)
        return Vector(self.builder, self.builder.select(beyond, bound, self.value))

    def where_positive(self, yes: "Vector | float", no: "Vector | float") -> "Vector":
        """``yes`` where it is above zero, else ``no``."""
        above = self.builder.fcmp_ordered(">", self.value, self._operand(0))
        return Vector(self.builder, self.builder.select(above, self._operand(yes), self._operand(no)))

    def polynomial(self, coefficients: Sequence[float]) -> "Vector":
        """Of coefficients with the constant first."""
        total = self * coefficients[-1] + coefficients[-2]
        for c in coefficients[-3::-1]:
            total = total * self + c
        return total

    def exp2(self, slope: Sequence[float]) -> "Vector":
        """2**self for numbers within [-125, 127], from coefficients of (2**r - 1) / r for r within [-0.5, 0.5]."""
        shifted = self + ROUNDER
        r = self - (shifted - ROUNDER)
        b, wholes = self.builder, ir.VectorType(WHOLE, self.value.type.count)
        exponent = b.shl(b.bitcast(shifted.value, wholes), ir.Constant(wholes, [23] * wholes.count))
        fraction = b.bitcast(r.polynomial([1.0, *slope]).value, wholes)
        return Vector(b, b.bitcast(b.add(fraction, exponent), self.value.type))

    def pick(self, other: "Vector", lanes: Sequence[int]) -> "Vector":
        """The vector of the lanes of so many numbers, those of ``other`` counted on from those of this one."""
        mask = ir.Constant(ir.VectorType(WHOLE, len(lanes)), list(lanes))
        return Vector(self.builder, self.builder.shuffle_vector(self.value, other.value, mask))


def sums(vectors: Sequence[Vector]) -> Vector:
    """The sum over the lanes of each vector, side by side. Lanes are a power of two, and no fewer than vectors."""
    count, width = len(vectors), vectors[0].value.type.count
    for _ in range(width.bit_length() - 1):  # of two vectors, the sums of neighbours
        pairs = zip(vectors[::2], [*vectors[1::2], vectors[-1]], strict=False)
        vectors = [a.pick(b, range(0, 2 * width, 2)) + a.pick(b, range(1, 2 * width, 2)) for a, b in pairs]
    return vectors[0].pick(vectors[0], range(count))


class Memory:
    """An array of float32 whose last axis is contiguous. Of an index, what is missing at its end is zero."""

    def __init__(self, builder: ir.IRBuilder, lanes: int, base: ir.Value, strides: Sequence[ir.Value]) -> None:
        self.builder, self.base, self.strides = builder, base, strides
        self.vector = ir.VectorType(FLOAT, lanes)

    def of_width(self, columns: int) -> "Memory":
        """The same memory as a dense array (rows, columns), so that the compiler knows its strides."""
        strides = [ir.Constant(PLACE, 4 * columns), ir.Constant(PLACE, 4)]
        return Memory(self.builder, self.vector.count, self.base, strides)

    def _pointer(self, type_: ir.Type, index: Sequence[Number | int]) -> ir.Value:
        b, place = self.builder, ir.Constant(PLACE, 0)
        for i, stride in zip(index, self.strides, strict=False):
            place = b.add(place, b.mul(_value(i), stride))
        bytes_ = b.bitcast(self.base, ir.IntType(8).as_pointer())
        return b.bitcast(b.gep(bytes_, [place]), type_.as_pointer())

    def load(self, *index: Number | int, lanes: int = 0) -> Vector:
        """The numbers from this index on."""
        vector = ir.VectorType(FLOAT, lanes) if lanes else self.vector
        return Vector(self.builder, self.builder.load(self._pointer(vector, index), align=4))

    def store(self, vector: Vector, *index: Number | int) -> None:
        """Write from this index on."""
        self.builder.store(vector.value, self._pointer(vector.value.type, index), align=4)

    def prefetch(self, *index: Number | int) -> None:
        """Have the cache's line with this index brought near; the index may lie beyond the array."""
        b, flag, byte = self.builder, ir.IntType(32), ir.IntType(8).as_pointer()
        type_ = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        ask = b.module.declare_intrinsic("llvm.prefetch", [byte], type_)
        to_read, to_keep, data = (ir.Constant(flag, n) for n in (0, 3, 1))
        b.call(ask, [b.bitcast(self._pointer(FLOAT, index), byte), to_read, to_keep, data])

    def spread(self, *index: Number | int) -> Vector:
        """The number at this index in every lane."""
        one, none = self.builder.load(self._pointer(FLOAT, index), align=4), ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(none, one, ir.Constant(WHOLE, 0))
        zeros = ir.Constant(ir.VectorType(WHOLE, self.vector.count), [0] * self.vector.count)
        return Vector(self.builder, self.builder.shuffle_vector(first, none, zeros))


class Places:
    """An array of int64."""

    def __init__(self, builder: ir.IRBuilder, base: ir.Value) -> None:
        self.builder, self.base = builder, base

    def __getitem__(self, index: Number) -> Number:
        return Number(self.builder, self.builder.load(self.builder.gep(self.base, [index.value])))


class Registers:
    """Vectors that live across the turns of a loop."""

    def __init__(self, vectors: Sequence[Vector]) -> None:
        self.builder = vectors[0].builder
        self.slots = [cgutils.alloca_once(self.builder, v.value.type) for v in vectors]
        for n, v in enumerate(vectors):
            self[n] = v

    def __getitem__(self, n: int) -> Vector:
        return Vector(self.builder, self.builder.load(self.slots[n]))

    def __setitem__(self, n: int, vector: Vector) -> None:
        self.builder.store(vector.value, self.slots[n])


class Code:
    """Where instructions go, and how many lanes its vectors have."""

    def __init__(self, builder: ir.IRBuilder, lanes: int) -> None:
        self.builder, self.lanes = builder, lanes

    @contextmanager
    def loop(self, turns: Number | int, step: int = 1) -> Iterator[Number]:
        """Repeat what is emitted inside; gives 0, step, 2 step and so on, below ``turns``."""
        stop = _value(turns)
        with cgutils.for_range_slice(self.builder, _value(0), stop, _value(step)) as (index, _):
            yield Number(self.builder, index)

    def constant(self, number: float) -> Vector:
        """A vector of one number."""
        return Vector(self.builder, ir.Constant(ir.VectorType(FLOAT, self.lanes), [float(number)] * self.lanes))


def in_vectors(emit: Callable[..., None]) -> Any:
    """A function for numba's kernels, of ``lanes`` and what ``emit`` takes after a ``Code``.

    Literal numbers reach ``emit`` as they are, others as ``Number``, arrays as ``Memory`` or ``Places``. Nothing checks
    bounds. The kernel must not allow "reassoc", which cancels the rounding in ``exp2``.
    """

    def function(_: Any, lanes: Any, *arguments: Any) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> Any:
            def given(type_: Any, value: Any) -> Any:
                if isinstance(type_, types.Literal):
                    return type_.literal_value
                if not isinstance(type_, types.Array):
                    return Number(builder, value)
                view = context.make_array(type_)(context, builder, value)
                if type_.dtype == types.int64:
                    return Places(builder, view.data)
                return Memory(builder, lanes.literal_value, view.data, cgutils.unpack_tuple(builder, view.strides))

            emit(Code(builder, lanes.literal_value), *map(given, signature.args[1:], values[1:]))
            return context.get_dummy_value()

        return types.void(lanes, *arguments), generate

    _, *parameters = inspect.signature(emit).parameters.values()
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("typing_context", "lanes")]
    function.__signature__ = inspect.Signature([*first, *parameters])  # type: ignore[attr-defined]
    function.__name__ = emit.__name__
    return intrinsic(prefer_literal=True)(function)
