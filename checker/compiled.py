"""How plain functions become machine code: numba, without its management of memory, and two instructions it lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from checker.layout import Number, UInt64s, Word

Function = TypeVar("Function", bound=Callable[..., Any])

# _nrt=False: no memory is managed in compiled code. Else every array that is passed on has its references counted,
# atomically, and that takes 16 times as long as the work itself. So nothing below may allocate an array.
_njit: Any = njit


def compiled(function: Function) -> Function:
    """*function* as machine code, kept on disk between runs."""
    compiled: Function = _njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return compiled


def inlined(function: Function) -> Function:
    """*function* as machine code within its callers."""
    inlined: Function = _njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)(function)
    return inlined


_codegen: Any = cgutils
_ir: Any = _codegen.ir


def _scale_code(_typing: Any, word: Any, size: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide = _ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, wide(64)), _ir.IntType(64))

    return types.int64(types.uint64, types.int64), generate


def _prefetch_code(_typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = _codegen.get_item_pointer(context, builder, signature.args[0], view, [args[1]], wraparound=False)
        byte, number = _ir.IntType(8).as_pointer(), _ir.IntType(32)
        kind = _ir.FunctionType(_ir.VoidType(), [byte, number, number, number])
        fetch = _codegen.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(fetch, [builder.bitcast(pointer, byte), number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


_intrinsic: Any = intrinsic
scale: Callable[[Word, Number], Number] = _intrinsic(_scale_code)  # word * size >> 64: a place that grows with word
prefetch: Callable[[UInt64s, Number], None] = _intrinsic(_prefetch_code)  # array[place] will be used soon
