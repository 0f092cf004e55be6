"""Makes machine code: numba, without its management of memory, and instructions that it lacks.

Imported only when something must be compiled (see `compiled.py`). An *entry* is made around a function: it takes one
row of 64-bit words, makes arguments of them, calls the function, and leaves in the row what that returns.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import njit
from numba import types as numba_types
from numba.core import cgutils
from numba.core.extending import intrinsic

from checker.engine.compiled import (
    BOOLEAN,
    INTEGER,
    NOTHING,
    PAIR,
    RESULTS,
    ROOM,
    WORD,
    Compiled,
    Inlined,
    Intrinsic,
    Kinds,
)

# _nrt=False: no memory is managed in compiled code. Else every array that is passed on has its references counted,
# atomically, and that takes 16 times as long as the work itself. So no compiled function may allocate an array.
# The wrappers are for calls from Python; the entry is called in their place.
_OPTIONS: dict[str, Any] = {
    "_nrt": False,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
types: Any = numba_types
_codegen: Any = cgutils
_ir: Any = _codegen.ir


def compile_entry(made: Compiled, kinds: Kinds, symbol: str) -> bytes:
    """The machine code of *made* for arguments of *kinds*, as an object file in which the entry is named *symbol*."""
    function = _Namespaces().jitted(made)
    arguments = _arguments(tuple(map(_type_of, kinds)))
    keep = _keep

    def entry(words: Any) -> None:
        keep(words, function(*arguments(words)))

    jitted: Any = njit(**_OPTIONS)(entry)
    jitted.compile((types.CPointer(types.int64),))
    (compiled,) = jitted.overloads.values()
    text = compiled.library.get_llvm_str().replace(compiled.fndesc.llvm_func_name, symbol)
    return bytes(_machine().emit_object(llvm.parse_assembly(text)))


def _machine() -> Any:
    """The processor that this runs on."""
    target: Any = llvm.Target.from_default_triple()
    features: Any = llvm.get_host_cpu_features()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3, jit=True)


class _Namespaces:
    """Copies of modules' names in which functions that are to be compiled are numba's, so that they may call each
    other."""

    def __init__(self) -> None:
        self._jitted: dict[int, Any] = {}

    def jitted(self, made: Compiled | Inlined) -> Any:
        """*made* as numba's function."""
        if id(made) not in self._jitted:
            function = made.function
            names = dict(function.__globals__)
            copied = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
            options = _OPTIONS | ({"forceinline": True} if isinstance(made, Inlined) else {})
            self._jitted[id(made)] = njit(**options)(copied)
            for name in names.keys() & set(function.__code__.co_names):
                names[name] = self._seen_by_numba(names[name])
        return self._jitted[id(made)]

    def _seen_by_numba(self, value: Any) -> Any:
        if isinstance(value, Compiled | Inlined):
            return self.jitted(value)
        return _INTRINSICS[value.name] if isinstance(value, Intrinsic) else value


# --- words and arguments ----------------------------------------------------------------------------------------------


def _type_of(kind: Any) -> Any:
    """numba's type of an argument of *kind*."""
    if kind is int:
        return types.int64
    if kind is bool:
        return types.boolean
    first, second = kind
    if isinstance(first, str):
        return types.Array(getattr(types, np.dtype(first).name), second, "C")
    parts = tuple(map(_type_of, second))
    return types.BaseTuple.from_types(parts, None if first is tuple else first)


def _arguments(kinds: tuple[Any, ...]) -> Any:
    """An intrinsic: the row of words as arguments of *kinds*."""

    def code(_typing: Any, words: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, given: Any) -> Any:
            values, _end = _make_all(context, builder, given[0], kinds, 0)
            return context.make_tuple(builder, types.BaseTuple.from_types(kinds), values)

        return types.BaseTuple.from_types(kinds)(words), generate

    return intrinsic(code)


def _make_all(context: Any, builder: Any, words: Any, kinds: Any, place: int) -> tuple[list[Any], int]:
    """Values of *kinds*, made of the words from *place* on; and where these end."""
    values = []
    for kind in kinds:
        if isinstance(kind, types.Array):
            values.append(_make_array(context, builder, words, kind, place))
            place += 1 + kind.ndim
        elif isinstance(kind, types.BaseTuple):
            parts, place = _make_all(context, builder, words, kind, place)
            values.append(context.make_tuple(builder, kind, parts))
        else:
            word = _word(builder, words, place)
            values.append(word if kind == types.int64 else builder.icmp_signed("!=", word, word.type(0)))
            place += 1
    return values, place


def _make_array(context: Any, builder: Any, words: Any, kind: Any, place: int) -> Any:
    """The array whose address is the word at *place*, and whose shape follows."""
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape = [_word(builder, words, place + 1 + axis) for axis in range(kind.ndim)]
    strides = [_ir.IntType(64)(size)]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    view = context.make_array(kind)(context, builder)
    data = builder.inttoptr(_word(builder, words, place), view.data.type)
    context.populate_array(view, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return view._getvalue()


def _word(builder: Any, words: Any, place: int) -> Any:
    return builder.load(builder.gep(words, [_ir.IntType(64)(place)]))


def _keep_code(_typing: Any, words: Any, result: Any) -> Any:
    """Put a result where `Compiled` looks for it: nothing, an integer, a word without sign, a bool, or two integers."""
    pair = isinstance(result, types.BaseTuple)
    what = PAIR if pair else {types.boolean: BOOLEAN, types.none: NOTHING, types.uint64: WORD}.get(result, INTEGER)

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = list(result) if pair else [] if what == NOTHING else [result]
        values = [builder.extract_value(given[1], number) for number in range(2)] if pair else [given[1]]
        kept = [context.cast(builder, value, kind, types.int64) for kind, value in zip(kinds, values, strict=False)]
        for place, value in enumerate([*kept, *[_ir.IntType(64)(0)] * (RESULTS - len(kept)), _ir.IntType(64)(what)]):
            builder.store(value, builder.gep(given[0], [_ir.IntType(64)(ROOM - RESULTS - 1 + place)]))
        return context.get_dummy_value()

    return types.void(words, result), generate


# --- instructions -----------------------------------------------------------------------------------------------------


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


def _take_code(_typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = _codegen.get_item_pointer(context, builder, signature.args[0], view, [args[1]], wraparound=False)
        return builder.atomic_rmw("add", pointer, _ir.IntType(64)(1), "seq_cst")

    return types.int64(array, types.int64), generate


def _clear_code(_typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word = _ir.IntType(64)
        builder.store(word(0), builder.inttoptr(args[0], word.as_pointer()))
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _peek_code(_typing: Any, array: Any, place: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = _codegen.get_item_pointer(context, builder, signature.args[0], view, [args[1]], wraparound=False)
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(array, types.int64), generate


def _swap_code(_typing: Any, array: Any, place: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = _codegen.get_item_pointer(context, builder, signature.args[0], view, [args[1]], wraparound=False)
        return builder.atomic_rmw("xchg", pointer, args[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


def _pause_code(_typing: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, _args: Any) -> Any:
        if llvm.get_default_triple().startswith("x86_64"):
            kind = _ir.FunctionType(_ir.VoidType(), [])
            builder.call(_codegen.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _perform_code(_typing: Any, code: Any, words: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        word, byte = _ir.IntType(64), _ir.IntType(8).as_pointer()
        kind = _ir.FunctionType(_ir.IntType(32), [byte, byte, byte])
        unused = builder.bitcast(_codegen.alloca_once(builder, word), byte)
        entry = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(entry, [unused, byte(None), builder.inttoptr(args[1], byte)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _matches_code(_typing: Any, array: Any, place: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = _codegen.get_item_pointer(context, builder, signature.args[0], view, [args[1]], wraparound=False)
        line = _ir.VectorType(_ir.IntType(64), 8)
        words = builder.load(builder.bitcast(pointer, line.as_pointer()), align=8)
        wanted = line(_ir.Undefined)
        for lane in range(8):
            wanted = builder.insert_element(wanted, args[2], _ir.IntType(32)(lane))
        bits = builder.bitcast(builder.icmp_unsigned("==", words, wanted), _ir.IntType(8))
        return builder.zext(bits, _ir.IntType(64))

    return types.int64(array, types.int64, types.uint64), generate


def _lowest_code(_typing: Any, bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], _ir.IntType(1)(1))

    return types.int64(types.int64), generate


_keep: Any = intrinsic(_keep_code)
_INTRINSICS: dict[str, Any] = {
    "scale": intrinsic(_scale_code),
    "prefetch": intrinsic(_prefetch_code),
    "matches": intrinsic(_matches_code),
    "lowest": intrinsic(_lowest_code),
    "take": intrinsic(_take_code),
    "clear": intrinsic(_clear_code),
    "peek": intrinsic(_peek_code),
    "swap": intrinsic(_swap_code),
    "pause": intrinsic(_pause_code),
    "perform": intrinsic(_perform_code),
}
