"""How plain functions become machine code, and how that is kept on disk and called.

A function over arrays is `compiled` if Python calls it, `inlined` if only compiled code does. Either may call the other
kind, by its bare name. numba compiles them, once for each distinct list of the kinds of arguments (`compiler.py`); the
machine code goes to disk. Whatever is on disk is loaded by LLVM alone: numba takes ten times as long to import, and to
load what it keeps itself, as all that a small search does.

Machine code is found again by all that it was made of: the bytecode and the constants of the function and of what it
calls, the kinds of its arguments, and the processor. So nothing stale is ever run, and nobody has to clean up.

Arguments are int, bool, arrays in C order, and NamedTuples of these. They are handed over as one row of 64-bit words:
an array as its address, then its shape. Results come back in the same row.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
from array import array
from collections.abc import Callable, Hashable, Iterator
from ctypes import CFUNCTYPE, addressof, c_char, c_int, c_void_p, cast
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any, TypeVar

import numpy as np

from checker.engine.layout import Int64s, Number, UInt64s, Word

Function = TypeVar("Function", bound=Callable[..., Any])
Tuple = TypeVar("Tuple", bound=tuple[Any, ...])
# int, bool, (letter of the type, dimensions) of an array, or (class, kind of each part) of a NamedTuple
Kinds = tuple[Hashable, ...]

RESULTS = 2  # words at the end of the row, for what is returned; a third says of what type it is
NOTHING, INTEGER, WORD, BOOLEAN, PAIR = 0, 1, 2, 3, 4
DIGEST = 32  # bytes, before the machine code in its file
ROOM = 512  # words: more than any list of arguments takes
FOLDER = "RAFTFRAME_CACHE"  # in the environment: where machine code is kept; else beside this file, or with the user's
_UNUSED = array("q", [0])  # where numba leaves what a function returns that returns nothing
_ONE_AT_A_TIME = threading.Lock()  # neither numba nor what links is for several threads


class Inlined:
    """A function whose code becomes part of its callers'. From Python it runs as it is written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


class Intrinsic:
    """An instruction that only compiled code has; `compiler.py` says how it is generated."""

    def __init__(self, name: str) -> None:
        self.name = name


class Call:
    """A call of compiled code that returns nothing, with all that it is given. It can be made by several threads at the
    same time, and by compiled code (see `perform`), as long as this is kept: *code* and *words* are addresses."""

    def __init__(self, name: str, code: Any, row: array[int], given: tuple[Any, ...]) -> None:
        self._name = name
        self._code = code
        self._kept = row, given
        self.code: int = cast(code, c_void_p).value or 0
        self.words: int = row.buffer_info()[0]

    def __call__(self) -> None:
        if self._code(_UNUSED.buffer_info()[0], None, self.words):
            raise RuntimeError(f"{self._name} raised: please report this")


class Compiled:
    """A function that runs as machine code, without the interpreter's lock. *function* is its slow twin."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._codes: dict[Kinds, Callable[..., int]] = {}

    def __call__(self, *arguments: Any) -> Any:
        words = array("q", bytes(8 * ROOM))
        self.call(words, *arguments)()
        return _result(words)

    def call(self, words: array[int], *arguments: Any) -> Call:
        """The call, with *words* for what it is given."""
        kinds, end = _flatten(arguments, words, 0)
        code = self._codes.get(kinds)
        if code is None:
            with _ONE_AT_A_TIME:
                code = self._codes[kinds] = self._code(kinds)
        assert end <= ROOM - RESULTS - 1
        return Call(self.function.__name__, code, words, arguments)

    def _code(self, kinds: Kinds) -> Callable[..., int]:
        name = f"{self.function.__name__}-{self.digest(kinds)}.o"
        for folder in _folders():
            kept = _kept(folder / name)
            if kept is not None:
                return _load(kept, name)
        from checker.engine.compiler import compile_entry

        made = compile_entry(self, kinds, _symbol(name))
        _keep(name, made)
        return _load(made, name)

    def digest(self, kinds: Kinds) -> str:
        made_of = hashlib.sha256(_circumstances())
        for text in (*_spelled(kinds), *_ingredients(self, set())):
            made_of.update(text.encode())
        return made_of.hexdigest()[:32]


class Packed:
    """A NamedTuple that is laid out once, for several calls. It keeps its arrays alive."""

    def __init__(self, value: tuple[Any, ...]) -> None:
        words = array("q", bytes(8 * ROOM))
        kinds, end = _flatten((value,), words, 0)
        self.value, self.kind, self.words = value, kinds[0], words[:end]


def packed(value: Tuple) -> Tuple:
    """*value*, to hand to compiled code several times, as long as its arrays are what they are."""
    return Packed(value)  # type: ignore[return-value]  # it is handed over the same way


def compiled(function: Function) -> Function:
    """*function* as machine code, kept on disk between runs."""
    return Compiled(function)  # type: ignore[return-value]  # it is called the same way


def call(function: Callable[..., None], *arguments: Any) -> Call:
    """The call of a compiled *function*, to be made later."""
    assert isinstance(function, Compiled)
    return function.call(array("q", bytes(8 * ROOM)), *arguments)


def inlined(function: Function) -> Function:
    """*function* as machine code within its callers."""
    return Inlined(function)  # type: ignore[return-value]  # it is called the same way


def _intrinsic(name: str) -> Any:
    return Intrinsic(name)


scale: Callable[[Word, Number], Number] = _intrinsic("scale")  # word * size >> 64: a place that grows with word
prefetch: Callable[[UInt64s, Number], None] = _intrinsic("prefetch")  # array[place] will be used soon
# of the eight words of array from place on: a bit for each that equals word
matches: Callable[[UInt64s, Number, Word], Number] = _intrinsic("matches")
lowest: Callable[[Number], Number] = _intrinsic("lowest")  # the number of the lowest bit that is set; one is
take: Callable[[Int64s, Number], Number] = _intrinsic("take")  # array[place], which is 1 more for whoever comes next
clear: Callable[[Number], None] = _intrinsic("clear")  # the word at an address becomes 0
peek: Callable[[Int64s, Number], Number] = _intrinsic("peek")  # array[place], which another thread may write to
swap: Callable[[Int64s, Number, Number], Number] = _intrinsic("swap")  # array[place], which becomes the last argument
pause: Callable[[], None] = _intrinsic("pause")  # nothing, for a moment
perform: Callable[[Number, Number], None] = _intrinsic("perform")  # makes a `Call`, given its code and words


# --- arguments and results --------------------------------------------------------------------------------------------


def _flatten(values: tuple[Any, ...], words: array[int], place: int) -> tuple[Kinds, int]:
    """Put *values* into *words* from *place* on: what kinds they are, and where they end."""
    kinds: list[Hashable] = []
    for value in values:
        kind = type(value)
        if kind is np.ndarray:
            if not value.flags.carray:
                raise TypeError("compiled code takes arrays in C order that can be written to")
            words[place] = addressof(c_char.from_buffer(value)) if value.size else 0
            for size in value.shape:
                place += 1
                words[place] = size
            kinds.append((value.dtype.char, value.ndim))
            place += 1
        elif isinstance(value, tuple):
            inside, place = _flatten(value, words, place)
            kinds.append((kind, inside))
        elif kind is Packed:
            end = place + len(value.words)
            words[place:end] = value.words
            kinds.append(value.kind)
            place = end
        else:
            words[place] = value
            kinds.append(bool if kind is bool else int)
            place += 1
    return tuple(kinds), place


def _result(words: array[int]) -> Any:
    what = words[-1]
    if what == PAIR:
        return words[-3], words[-2]
    if what == NOTHING:
        return None
    if what == WORD:
        return words[-3] & (1 << 64) - 1
    return bool(words[-3]) if what == BOOLEAN else words[-3]


# --- the machine code on disk -----------------------------------------------------------------------------------------


def _ingredients(made: Compiled | Inlined, seen: set[int]) -> Iterator[str]:
    """All that the machine code of *made* depends on, in a fixed order."""
    if id(made) in seen:
        return
    seen.add(id(made))
    code, names = made.function.__code__, made.function.__globals__
    yield from _text_of(code)
    for name in code.co_names:
        value = names.get(name)
        if isinstance(value, Compiled | Inlined):
            yield name
            yield from _ingredients(value, seen)
        elif isinstance(value, int):
            yield f"{name}={value}"


def _spelled(kinds: Kinds) -> Iterator[str]:
    """*kinds* as text; of tuples with the names of their fields, since code knows these by their places."""
    for kind in kinds:
        if isinstance(kind, tuple) and isinstance(kind[0], type):
            yield f"{kind[0].__qualname__}{getattr(kind[0], '_fields', ())}("
            yield from _spelled(kind[1])
            yield ")"
        else:
            yield repr(kind)


def _text_of(code: CodeType) -> Iterator[str]:
    yield f"{code.co_name}{code.co_code.hex()}{code.co_names}{code.co_varnames}"
    yield repr([constant for constant in code.co_consts if not isinstance(constant, CodeType)])


@cache
def _circumstances() -> bytes:
    """What machine code depends on besides its function: the processor, Python's bytecode, and how it is compiled."""
    import llvmlite.binding as llvm

    here = Path(__file__)
    how = here.read_bytes() + here.with_name("compiler.py").read_bytes()
    about = f"{sys.implementation.cache_tag} {llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    return hashlib.sha256(how).digest() + about.encode()


def _folders() -> Iterator[Path]:
    """Where machine code may be, the best place first."""
    if named := os.environ.get(FOLDER):
        yield Path(named)
        return
    yield Path(__file__).parent / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "raftframe"  # noqa: PTH111  # raises never


def _kept(path: Path) -> bytes | None:
    """The machine code at *path*; None if it is not there, or not as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    made = content[DIGEST:]
    return made if hashlib.sha256(made).digest() == content[:DIGEST] else None


def _keep(name: str, made: bytes) -> None:
    """Write machine code where it can be written; nowhere is no trouble: it is compiled again next time."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, delete=False) as draft:  # another process may read at any time
                draft.write(hashlib.sha256(made).digest() + made)
            Path(draft.name).chmod(0o644)
            Path(draft.name).replace(folder / name)
            return


def _symbol(name: str) -> str:
    return "raftframe_" + "".join(letter if letter.isalnum() else "_" for letter in name)


@cache
def _engine() -> Any:
    """What links machine code in this process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _load(made: bytes, name: str) -> Callable[..., int]:
    """Machine code as something to call with the address of its words, behind two that numba has."""
    import llvmlite.binding as llvm

    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(made))
    engine.finalize_object()
    address = engine.get_function_address(_symbol(name))
    return CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p)(address)
