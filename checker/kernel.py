"""The inner loops of exploration, compiled by numba: plain functions over arrays.

Theory of operation. A world is a row of int32, one number a slot:

    [actor 0 .. N-1] [budget] [monitor 0 .. M-1] [channel 0 .. C-1]

Each number names an interned value: an actor's state, the vector of what is left of the budgets, a monitor's state, a
channel's content. Everything that can happen is a walk through tables from numbers to numbers, which `tables.py` fills
by running the real code; an entry that is not filled yet reads `UNKNOWN`. So no loop below ever calls Python.

`expand` lists all transitions of some worlds as candidates (fingerprint, source, code). It treats a world as a whole:
if any entry that the world needs is unknown, the entries are noted as *misses*, the world's candidates are taken back,
and the world goes on a retry list, to be expanded again when the misses are filled.

A world's *fingerprint* is the XOR of one 64-bit word a slot (the mixed number of the value; an empty channel has 0), so
a transition updates it by the few slots that it changes, without building the row. `insert` looks candidates up in the
set of visited fingerprints, and builds rows for new worlds only. `insert_exact` keeps and compares the rows themselves.

An event code is an int32: operation << 28 | number. For LOCAL the number is actor * local columns + column; for
DELIVER, DROP and DUPLICATE it is an *option*: one (content, message) pair that a channel offers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Int32s: TypeAlias = NDArray[np.int32]
Int64s: TypeAlias = NDArray[np.int64]
UInt64s: TypeAlias = NDArray[np.uint64]
UInt8s: TypeAlias = NDArray[np.uint8]
Word: TypeAlias = Any  # a uint64 of compiled code; no Python type has its arithmetic
Number: TypeAlias = Any  # an int64 or int32 of compiled code, likewise

IMPOSSIBLE = -1
UNKNOWN = -2
BROKEN = -3  # in `move`: BROKEN - s says that the monitor breaks and goes to state s

LOCAL, DELIVER, DROP, DUPLICATE = 0, 1, 2, 3
CODE_BITS = 28
CODE_MASK = (1 << CODE_BITS) - 1

MISS_STEP, MISS_ADD, MISS_SPEND, MISS_MOVE, MISS_AFTER, MISS_TWICE = 0, 1, 2, 3, 4, 5

PREFETCH_DISTANCE = 24


class Lookup(NamedTuple):
    """The tables as the kernel reads them. S states, E event columns, X transitions, K contents, O options."""

    step: Int32s  # [S, E] (state, event column) -> transition, IMPOSSIBLE or UNKNOWN
    next_state: Int32s  # [X]
    alarm: UInt8s  # [X] 1: the transition carries findings that were not reported yet
    observed: Int32s  # [X, M] observation of each monitor, -1 for none
    send_start: Int32s  # [X + 1] where the sends of a transition begin in the next two
    send_slot: Int32s  # the slot of the channel
    send_index: Int32s  # the message, counted within its channel
    add: Int32s  # [K, messages of a channel] content after sending, or UNKNOWN
    option_start: Int32s  # [K + 1] where the options of a content begin in the next four
    option_slot: Int32s  # [O] the slot of the channel
    option_column: Int32s  # [O] the event column of the delivery at the channel's target
    option_after: Int32s  # [O] content after the message left, or UNKNOWN
    option_twice: Int32s  # [O] content after the message was duplicated, or UNKNOWN
    slot_target: Int32s  # [slots] the actor to which a channel leads; 0 for other slots
    slot_open: UInt8s  # [slots] 1: deliveries happen on this channel
    spend: Int32s  # [budgets, local kinds + 2] the budget after spending, IMPOSSIBLE or UNKNOWN; then drop, duplicate
    kind_column: Int32s  # [budgets, local kinds] the event column of the kind under this budget
    allowed: UInt8s  # [local kinds, actors] 1: the kind may happen at the actor
    move: Int32s  # [monitor states, observations] the next monitor state, UNKNOWN, or BROKEN - next
    state_hash: UInt64s
    content_hash: UInt64s
    budget_hash: UInt64s
    monitor_hash: UInt64s
    local_columns: int  # columns of local events, the first of each row of `step`


class Candidates(NamedTuple):
    """Transitions found by `expand`, not yet known to lead to new worlds."""

    fingerprint: UInt64s
    source: Int32s  # index in the frontier
    code: Int32s


class Notes(NamedTuple):
    """What `expand` leaves for Python to see to."""

    misses: Int64s  # [capacity, 3] (MISS_*, row, column)
    alarms: Int64s  # [capacity, 2] (frontier index, event code)
    retry: Int64s  # frontier indices
    counts: Int64s  # [COUNTS] see the names below
    world: Int32s  # [slots] room to work in


N_CANDIDATES, N_MISSES, N_ALARMS, N_RETRY, N_DEADLOCKS, N_TAKEN, N_TRANSITIONS = 0, 1, 2, 3, 4, 5, 6
COUNTS = 7


def new_notes(width: int) -> Notes:
    """Empty notes, with place for what one call of `expand` may leave on worlds of *width* slots."""
    return Notes(
        misses=np.empty((1 << 12, 3), np.int64),
        alarms=np.empty((256, 2), np.int64),
        retry=np.empty(1 << 12, np.int64),
        counts=np.zeros(COUNTS, np.int64),
        world=np.empty(width, np.int32),
    )


# _nrt=False: no memory is managed in compiled code. Else every array that is passed on has its references counted,
# atomically, and that takes 16 times as long as the work itself. So nothing below may allocate an array.
_njit: Any = njit


def _compiled(function: Function) -> Function:
    """*function* as machine code, kept on disk between runs."""
    compiled: Function = _njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return compiled


def _inlined(function: Function) -> Function:
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
_scale: Callable[[Word, Number], Number] = _intrinsic(_scale_code)  # word * size >> 64: a place that grows with word
_prefetch: Callable[[UInt64s, Number], None] = _intrinsic(_prefetch_code)  # array[place] will be used soon


# --- one transition ---------------------------------------------------------------------------------------------------


@_inlined
def _note(notes: Notes, kind: Number, row: Number, column: Number) -> None:
    """Note one miss; when the list is full, only count it."""
    place = notes.counts[N_MISSES]
    if place < notes.misses.shape[0]:
        notes.misses[place, 0] = kind
        notes.misses[place, 1] = row
        notes.misses[place, 2] = column
    notes.counts[N_MISSES] = place + 1


@_inlined
def _land(look: Lookup, world: Int32s, actor: Number, transition: Number, notes: Notes) -> tuple[Number, bool]:
    """Let *actor* take *transition* in *world*, in place: (change of the fingerprint, whether a monitor broke)."""
    before = world[actor]
    after = look.next_state[transition]
    change: Word = look.state_hash[before] ^ look.state_hash[after]
    world[actor] = after
    broke = False
    first = look.allowed.shape[1] + 1
    for monitor in range(look.observed.shape[1]):
        seen = look.observed[transition, monitor]
        if seen >= 0:
            was = world[first + monitor]
            went = look.move[was, seen]
            if went == UNKNOWN:
                _note(notes, MISS_MOVE, was, seen)
                went = was
            elif went <= BROKEN:
                broke = True
                went = BROKEN - went
            change ^= look.monitor_hash[was] ^ look.monitor_hash[went]
            world[first + monitor] = went
    for send in range(look.send_start[transition], look.send_start[transition + 1]):
        slot = look.send_slot[send]
        held = world[slot]
        holds = look.add[held, look.send_index[send]]
        if holds < 0:
            _note(notes, MISS_ADD, held, look.send_index[send])
            break
        change ^= look.content_hash[held] ^ look.content_hash[holds]
        world[slot] = holds
    return change, broke


@_inlined
def _unland(look: Lookup, world: Int32s, row: Int32s, actor: Number, transition: Number) -> None:
    """Undo `_land`: *row* is the world as it was."""
    world[actor] = row[actor]
    first = look.allowed.shape[1] + 1
    for monitor in range(look.observed.shape[1]):
        world[first + monitor] = row[first + monitor]
    for send in range(look.send_start[transition], look.send_start[transition + 1]):
        slot = look.send_slot[send]
        world[slot] = row[slot]


@_inlined
def _emit(found: Candidates, notes: Notes, fingerprint: Word, source: Number, code: Number) -> None:
    """Append a candidate; when the list is full, only count it."""
    place = notes.counts[N_CANDIDATES]
    if place < found.code.shape[0]:
        found.fingerprint[place] = fingerprint
        found.source[place] = source
        found.code[place] = code
    notes.counts[N_CANDIDATES] = place + 1


@_inlined
def _alarm(notes: Notes, source: Number, code: Number) -> None:
    """Append an alarm; when the list is full, only count it (the first ones are enough)."""
    place = notes.counts[N_ALARMS]
    if place < notes.alarms.shape[0]:
        notes.alarms[place, 0] = source
        notes.alarms[place, 1] = code
    notes.counts[N_ALARMS] = place + 1


@_inlined
def _step(
    look: Lookup,
    world: Int32s,
    row: Int32s,
    actor: Number,
    column: Number,
    fingerprint: Word,
    origin: Word,
    source: Number,
    code: Number,
    loops: bool,
    found: Candidates,
    notes: Notes,
) -> Number:
    """Emit the transition of *actor* on event *column* in *world*, if it is possible; 1 if it is, else 0.

    *world* has the channel's or the budget's change in it already, and *fingerprint* its effect; *row* and *origin* are
    the world and its fingerprint as they were. Transitions that lead back are emitted only if *loops*.
    """
    transition = look.step[world[actor], column]
    if transition < 0:
        if transition == UNKNOWN:
            _note(notes, MISS_STEP, world[actor], column)
        return 0
    change, broke = _land(look, world, actor, transition, notes)
    after = fingerprint ^ change
    if broke or look.alarm[transition]:
        _alarm(notes, source, code)
    if loops or after != origin:
        _emit(found, notes, after, source, code)
    _unland(look, world, row, actor, transition)
    return 1


# --- all transitions of some worlds -----------------------------------------------------------------------------------


@_inlined
def _expand_local(
    look: Lookup,
    world: Int32s,
    row: Int32s,
    origin: Word,
    source: Number,
    loops: bool,
    found: Candidates,
    notes: Notes,
) -> Number:
    """Emit the local events of one world; how many."""
    kinds, actors = look.allowed.shape
    budget = row[actors]
    many = 0
    for kind in range(kinds):
        left = look.spend[budget, kind]
        if left < 0:
            if left == UNKNOWN:
                _note(notes, MISS_SPEND, budget, kind)
            continue
        world[actors] = left
        fingerprint = origin ^ look.budget_hash[budget] ^ look.budget_hash[left]
        column = look.kind_column[budget, kind]
        for actor in range(actors):
            if look.allowed[kind, actor]:
                code = actor * look.local_columns + column
                many += _step(look, world, row, actor, column, fingerprint, origin, source, code, loops, found, notes)
    world[actors] = budget
    return many


@_inlined
def _expand_faults(
    look: Lookup,
    row: Int32s,
    operation: Number,
    origin: Word,
    source: Number,
    found: Candidates,
    notes: Notes,
) -> Number:
    """Emit the losses or duplications of one world; how many."""
    kinds, actors = look.allowed.shape
    budget = row[actors]
    left = look.spend[budget, kinds + operation - DROP]
    if left < 0:
        if left == UNKNOWN:
            _note(notes, MISS_SPEND, budget, kinds + operation - DROP)
        return 0
    fingerprint = origin ^ look.budget_hash[budget] ^ look.budget_hash[left]
    many = 0
    for slot in range(actors + 1 + look.observed.shape[1], row.shape[0]):
        held = row[slot]
        for option in range(look.option_start[held], look.option_start[held + 1]):
            holds = look.option_after[option] if operation == DROP else look.option_twice[option]
            if holds < 0:
                _note(notes, MISS_AFTER if operation == DROP else MISS_TWICE, option, 0)
                continue
            change = look.content_hash[held] ^ look.content_hash[holds]
            _emit(found, notes, fingerprint ^ change, source, (operation << CODE_BITS) | option)
            many += 1
    return many


@_inlined
def _expand_deliveries(
    look: Lookup,
    world: Int32s,
    row: Int32s,
    origin: Word,
    source: Number,
    loops: bool,
    found: Candidates,
    notes: Notes,
) -> Number:
    """Emit the deliveries of one world; how many."""
    many = 0
    for slot in range(look.allowed.shape[1] + 1 + look.observed.shape[1], row.shape[0]):
        if not look.slot_open[slot]:
            continue
        held = row[slot]
        target = np.int64(look.slot_target[slot])  # as actors elsewhere: one type, compiled once
        for option in range(look.option_start[held], look.option_start[held + 1]):
            holds = look.option_after[option]
            if holds < 0:
                _note(notes, MISS_AFTER, option, 0)
                continue
            world[slot] = holds
            fingerprint = origin ^ look.content_hash[held] ^ look.content_hash[holds]
            code = (DELIVER << CODE_BITS) | option
            column = look.option_column[option]
            many += _step(look, world, row, target, column, fingerprint, origin, source, code, loops, found, notes)
        world[slot] = held
    return many


@_compiled
def expand(
    look: Lookup, rows: Int32s, fingerprints: UInt64s, todo: Int64s, loops: bool, found: Candidates, notes: Notes
) -> None:
    """List the transitions of rows[todo] in *found*, from its beginning.

    Stops early when *found* or a list of *notes* is full: counts[N_TAKEN] says how many of *todo* were taken. A world
    with misses is taken, without candidates, and is on the retry list. counts[N_TRANSITIONS] and counts[N_DEADLOCKS] go
    up by what was found, transitions that lead back included.
    """
    counts = notes.counts
    counts[N_CANDIDATES] = counts[N_MISSES] = counts[N_ALARMS] = counts[N_RETRY] = 0
    world = notes.world
    taken = 0
    for source in todo:
        row = rows[source]
        for slot in range(row.shape[0]):
            world[slot] = row[slot]
        origin = fingerprints[source]
        candidates, misses, alarms = counts[N_CANDIDATES], counts[N_MISSES], counts[N_ALARMS]
        many = _expand_local(look, world, row, origin, source, loops, found, notes)
        many += _expand_deliveries(look, world, row, origin, source, loops, found, notes)
        for operation in (DROP, DUPLICATE):
            many += _expand_faults(look, row, operation, origin, source, found, notes)
        full = counts[N_CANDIDATES] > found.code.shape[0]
        if counts[N_MISSES] > misses:
            counts[N_CANDIDATES] = candidates
            counts[N_ALARMS] = alarms
            notes.retry[counts[N_RETRY]] = source
            counts[N_RETRY] += 1
        elif full:
            counts[N_CANDIDATES] = candidates
            counts[N_ALARMS] = alarms
            break
        else:
            counts[N_TRANSITIONS] += many
            counts[N_DEADLOCKS] += many == 0
        taken += 1
        if counts[N_RETRY] == notes.retry.shape[0] or counts[N_MISSES] >= notes.misses.shape[0]:
            break
    counts[N_TAKEN] = taken
    counts[N_MISSES] = min(counts[N_MISSES], notes.misses.shape[0])
    counts[N_ALARMS] = min(counts[N_ALARMS], notes.alarms.shape[0])


# --- worlds already seen ----------------------------------------------------------------------------------------------


@_inlined
def _advance(look: Lookup, world: Int32s, code: Number, notes: Notes) -> None:
    """Let the event *code* happen in *world*, in place. Every table entry that it needs is known."""
    actors = look.allowed.shape[1]
    operation = code >> CODE_BITS
    number = code & CODE_MASK
    budget = world[actors]
    if operation == LOCAL:
        actor, column = number // look.local_columns, number % look.local_columns
        for kind in range(look.allowed.shape[0]):
            if look.kind_column[budget, kind] == column:
                world[actors] = look.spend[budget, kind]
        _land(look, world, actor, look.step[world[actor], column], notes)
        return
    slot = look.option_slot[number]
    world[slot] = look.option_twice[number] if operation == DUPLICATE else look.option_after[number]
    if operation == DELIVER:
        actor = np.int64(look.slot_target[slot])
        _land(look, world, actor, look.step[world[actor], look.option_column[number]], notes)
    else:
        world[actors] = look.spend[budget, look.allowed.shape[0] + operation - DROP]


class Level(NamedTuple):
    """Worlds in order of discovery. All four have the same length, the capacity; `kernel.insert` returns the fill."""

    rows: Int32s  # [capacity, slots]
    fingerprint: UInt64s
    source: Int32s  # index of the parent in the level before
    code: Int32s  # the event that led here from the parent


@_compiled
def insert(
    look: Lookup, slots: UInt64s, found: Candidates, rows: Int32s, new: Level, fill: Number, room: Number, notes: Notes
) -> tuple[Number, bool]:
    """Append to *new*, from *fill* on, the candidates that are not in the set *slots* yet, and put them there.

    *new* must have place for every candidate. At most *room* are appended. Returns (the new fill, whether *room* was
    too small).
    """
    size = slots.shape[0]
    count = notes.counts[N_CANDIDATES]
    for ahead in range(min(PREFETCH_DISTANCE, count)):
        _prefetch(slots, _scale(found.fingerprint[ahead], size))
    for candidate in range(count):
        if candidate + PREFETCH_DISTANCE < count:
            _prefetch(slots, _scale(found.fingerprint[candidate + PREFETCH_DISTANCE], size))
        word = found.fingerprint[candidate]
        if word == 0:
            word = np.uint64(1)  # 0 marks a free place
        place = _scale(word, size)
        while slots[place] != word and slots[place] != 0:
            place += 1
            if place == size:
                place = 0
        if slots[place] == word:
            continue
        if room == 0:
            return fill, True
        room -= 1
        slots[place] = word
        source = found.source[candidate]
        row = new.rows[fill]
        for slot in range(row.shape[0]):
            row[slot] = rows[source, slot]
        _advance(look, row, found.code[candidate], notes)
        new.fingerprint[fill] = found.fingerprint[candidate]
        new.source[fill] = source
        new.code[fill] = found.code[candidate]
        fill += 1
    return fill, False


@_inlined
def _equal(rows: Int32s, index: Number, world: Int32s) -> bool:
    for slot in range(world.shape[0]):  # noqa: SIM110  # a loop compiles without memory management
        if rows[index, slot] != world[slot]:
            return False
    return True


@_compiled
def insert_exact(
    look: Lookup,
    ordinals: Int64s,
    found: Candidates,
    first: Number,
    all_worlds: Level,
    fill: Number,
    room: Number,
    targets: Int64s,
    notes: Notes,
) -> tuple[Number, bool]:
    """As `insert`, with all worlds ever seen in *all_worlds*: a world is known only if its whole row is.

    *ordinals* is the open-addressing table, 0 for a free place, else 1 + the index in *all_worlds*; sources count from
    *first* in it. targets[i] becomes the index of the world that candidate i leads to.
    """
    size = ordinals.shape[0]
    world = notes.world
    for candidate in range(notes.counts[N_CANDIDATES]):
        source = first + found.source[candidate]
        word = found.fingerprint[candidate]
        for slot in range(world.shape[0]):
            world[slot] = all_worlds.rows[source, slot]
        _advance(look, world, found.code[candidate], notes)
        place = _scale(word, size)
        while ordinals[place] != 0:
            known = ordinals[place] - 1
            if all_worlds.fingerprint[known] == word and _equal(all_worlds.rows, known, world):
                break
            place += 1
            if place == size:
                place = 0
        if ordinals[place] != 0:
            targets[candidate] = ordinals[place] - 1
            continue
        if room == 0:
            return fill, True
        room -= 1
        for slot in range(world.shape[0]):
            all_worlds.rows[fill, slot] = world[slot]
        all_worlds.fingerprint[fill] = word
        all_worlds.source[fill] = found.source[candidate]
        all_worlds.code[fill] = found.code[candidate]
        targets[candidate] = fill
        fill += 1
        ordinals[place] = fill
    return fill, False


@_compiled
def place_all(ordinals: Int64s, fingerprints: UInt64s, count: Number) -> None:
    """Put the first *count* worlds into an empty table of ordinals. They are known to differ."""
    size = ordinals.shape[0]
    for known in range(count):
        place = _scale(fingerprints[known], size)
        while ordinals[place] != 0:
            place += 1
            if place == size:
                place = 0
        ordinals[place] = known + 1


@_compiled
def spread(slots: UInt64s, before: Number, moved: UInt8s) -> None:
    """Move the fingerprints of a table that grew in place to where they belong.

    *slots* had *before* places and has more now, the new ones free. *moved* has a bit for each place, all 0. From the
    last place down, an entry goes to its new place; an entry it meets there that was not moved yet is carried on. No
    place that a moved entry passed is freed again, so that probing finds everything.
    """
    size = slots.shape[0]
    for index in range(before - 1, -1, -1):
        if slots[index] == 0 or moved[index >> 3] >> (index & 7) & 1:
            continue
        word = slots[index]
        slots[index] = 0
        while word != 0:
            place = _scale(word, size)
            while moved[place >> 3] >> (place & 7) & 1:
                place += 1
                if place == size:
                    place = 0
            word, slots[place] = slots[place], word
            moved[place >> 3] |= 1 << (place & 7)


# --- views ------------------------------------------------------------------------------------------------------------


@_compiled
def unseen(
    views: Int32s,
    actors: Number,
    history: Number,
    rows: Int32s,
    start: Number,
    end: Number,
    before: Int32s,
    source: Int32s,
    seen: UInt64s,
    out: Int64s,
) -> tuple[Number, Number]:
    """Which of rows[start:end] show a tuple of views that is not in the set *seen* yet; it is put there.

    *views* maps an actor's state to its view, *history* is the slot of a monitor that belongs to the tuple, or -1.
    A world with the same tuple as its parent, before[source], is passed over. Returns (how many indices are in *out*,
    where to go on): it stops when *out* is full.
    """
    size = seen.shape[0]
    count = 0
    for index in range(start, end):
        row = rows[index]
        if before.shape[0] > 0:
            parent = before[source[index]]
            same = history < 0 or row[history] == parent[history]
            for actor in range(actors):
                same &= views[row[actor]] == views[parent[actor]]
            if same:
                continue
        word: Word = np.uint64(0x9E3779B97F4A7C15)
        for actor in range(actors):
            word = _mix(word ^ np.uint64(views[row[actor]]))
        if history >= 0:
            word = _mix(word ^ np.uint64(row[history]))
        place = _scale(word, size)
        while seen[place] != word and seen[place] != 0:
            place += 1
            if place == size:
                place = 0
        if seen[place] == word:
            continue
        if count == out.shape[0]:
            return count, index
        seen[place] = word
        out[count] = index
        count += 1
    return count, end


@_inlined
def _mix(word: Word) -> Word:
    """A bijection of 64-bit words that spreads every bit (the finalizer of splitmix64, behind an odd step)."""
    word += np.uint64(0x9E3779B97F4A7C15)
    word ^= word >> np.uint64(30)
    word *= np.uint64(0xBF58476D1CE4E5B9)
    word ^= word >> np.uint64(27)
    word *= np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return word
