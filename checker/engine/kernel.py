"""The inner loops of exploration, compiled: plain functions over arrays.

Theory of operation. A world is a row of int32, one number a slot:

    [actor 0 .. N-1] [budget] [monitor 0 .. M-1] [channel 0 .. C-1]

Each number names an interned value: an actor's state, the vector of what is left of the budgets, a monitor's state, a
channel's content. Everything that can happen is a walk through tables from numbers to numbers, which `tables.py` fills
by running the real code; an entry that is not filled yet reads `UNKNOWN`. So no loop below ever calls Python.

`expand` lists all transitions of some worlds as candidates (fingerprint, source, code). It treats a world as a whole:
if any entry that the world needs is unknown, the entries are noted as *misses*, the world's candidates are taken back,
and the world goes on a retry list, to be expanded again when the misses are filled.

A world's *fingerprint* is the sum, modulo 2**64, of one word a slot (the mixed number of the value; an empty channel
has 0), so a transition updates it by the few slots that it changes, without building the row. The word of a channel
that is a bag is the sum of its messages' words. So on an unordered network all that a transition does to the
fingerprint is one number, known in advance, and `expand` never looks at a content but to list what it offers.

What is new is found in three passes over many candidates, of which each can be shared by workers without a lock. `sort`
deals them to the *regions* of the set of visited fingerprints; `claim` looks those of one region up, in order, and puts
them in; `build` makes the rows of what was new, in the order in which it was found. So all that comes out is the same
for any number of workers. `insert_exact` keeps and compares the rows themselves.
"""

from __future__ import annotations

import numpy as np

from checker.engine.compiled import compiled, inlined, prefetch, scale
from checker.engine.layout import (
    ALARM,
    BROKEN,
    BUILT,
    CACHE_LINE,
    CODE_BITS,
    CODE_MASK,
    DELIVER,
    DROP,
    DUPLICATE,
    FRESH,
    LOCAL,
    MISS_ADD,
    MISS_AFTER,
    MISS_MOVE,
    MISS_SPEND,
    MISS_STEP,
    MISS_TWICE,
    N_ALARMS,
    N_CANDIDATES,
    N_MISSES,
    N_RETRY,
    PREFETCH_DISTANCE,
    REGIONS,
    SEEN,
    UNKNOWN,
    Candidates,
    Int32s,
    Int64s,
    Level,
    Lookup,
    Notes,
    Number,
    Sorted,
    UInt8s,
    UInt64s,
    Word,
)
from checker.engine.noting import alarm, conclude, note, notes_are_full, settle
from checker.engine.sparse import cell

# --- one transition ---------------------------------------------------------------------------------------------------


@inlined
def _observe(look: Lookup, world: Int32s, transition: Number, notes: Notes, write: bool) -> tuple[Number, bool]:
    """Show *transition* to the monitors: (change of the fingerprint, whether one broke). Moves them if *write*."""
    change: Word = np.uint64(0)
    broke = False
    first = look.allowed.shape[1] + 1
    for monitor in range(look.observed.shape[1]):
        seen = look.observed[transition, monitor]
        if seen >= 0:
            was = world[first + monitor]
            went = cell(look.move, was, seen)
            if went == UNKNOWN:
                note(notes, MISS_MOVE, was, seen)
                went = was
            elif went <= BROKEN:
                broke = True
                went = BROKEN - went
            change += look.monitor_hash[went] - look.monitor_hash[was]
            if write:
                world[first + monitor] = went
    return change, broke


@inlined
def _send(look: Lookup, world: Int32s, transition: Number, notes: Notes) -> tuple[Number, bool]:
    """Put what *transition* sends into *world*: (change of the fingerprint, whether every entry was known)."""
    change: Word = np.uint64(0)
    for send in range(look.send_start[transition], look.send_start[transition + 1]):
        slot = look.send_slot[send]
        held = world[slot]
        holds = cell(look.add, held, look.send_index[send])
        if holds < 0:
            note(notes, MISS_ADD, held, look.send_index[send])
            return change, False
        change += look.content_hash[holds] - look.content_hash[held]
        world[slot] = holds
    return change, True


@inlined
def _unsend(look: Lookup, world: Int32s, row: Int32s, transition: Number) -> None:
    """Undo `_send`: *row* is the world as it was."""
    for send in range(look.send_start[transition], look.send_start[transition + 1]):
        slot = look.send_slot[send]
        world[slot] = row[slot]


@inlined
def _emit(found: Candidates, notes: Notes, fingerprint: Word, source: Number, code: Number) -> None:
    """Append a candidate; when the list is full, only count it."""
    place = notes.counts[N_CANDIDATES]
    if place < found.code.shape[0]:
        found.fingerprint[place] = fingerprint
        found.source[place] = source
        found.code[place] = code
    notes.counts[N_CANDIDATES] = place + 1


@inlined
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
    transition = cell(look.step, world[actor], column)
    if transition < 0:
        if transition == UNKNOWN:
            note(notes, MISS_STEP, world[actor], column)
        return 0
    flags = look.flags[transition]
    after = fingerprint + look.change[transition]
    if flags & SEEN:
        moved, broke = _observe(look, world, transition, notes, False)
        after += moved
        if broke:
            flags |= ALARM
    if flags & ALARM:
        alarm(notes, source, code)
    if not look.sums:
        moved, _known = _send(look, world, transition, notes)
        after += moved
        _unsend(look, world, row, transition)
    if loops or after != origin:
        _emit(found, notes, after, source, code)
    return 1


# --- all transitions of some worlds -----------------------------------------------------------------------------------


@inlined
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
                note(notes, MISS_SPEND, budget, kind)
            continue
        world[actors] = left
        fingerprint = origin + look.budget_hash[left] - look.budget_hash[budget]
        column = look.kind_column[budget, kind]
        for actor in range(actors):
            if look.allowed[kind, actor]:
                code = actor * look.local_columns + column
                many += _step(look, world, row, actor, column, fingerprint, origin, source, code, loops, found, notes)
    world[actors] = budget
    return many


@inlined
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
            note(notes, MISS_SPEND, budget, kinds + operation - DROP)
        return 0
    fingerprint = origin + look.budget_hash[left] - look.budget_hash[budget]
    many = 0
    for slot in range(actors + 1 + look.observed.shape[1], row.shape[0]):
        held = row[slot]
        for option in range(look.option_start[held], look.option_start[held + 1]):
            many += 1
            code = (operation << CODE_BITS) | option
            if look.sums:
                word = look.option_hash[option]
                _emit(found, notes, fingerprint - word if operation == DROP else fingerprint + word, source, code)
                continue
            holds = look.option_after[option] if operation == DROP else look.option_twice[option]
            if holds < 0:
                note(notes, MISS_AFTER if operation == DROP else MISS_TWICE, option, 0)
                continue
            _emit(found, notes, fingerprint + look.content_hash[holds] - look.content_hash[held], source, code)
    return many


@inlined
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
            code = (DELIVER << CODE_BITS) | option
            column = look.option_column[option]
            fingerprint = origin
            if look.sums:
                fingerprint -= look.option_hash[option]
            else:
                holds = look.option_after[option]
                if holds < 0:
                    note(notes, MISS_AFTER, option, 0)
                    continue
                world[slot] = holds
                fingerprint += look.content_hash[holds] - look.content_hash[held]
            many += _step(look, world, row, target, column, fingerprint, origin, source, code, loops, found, notes)
        world[slot] = held
    return many


@compiled
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
        if not settle(notes, source, many, candidates, misses, alarms, full):
            break
        taken += 1
        if notes_are_full(notes):
            break
    conclude(notes, taken)


# --- worlds already seen ----------------------------------------------------------------------------------------------


@inlined
def _advance(look: Lookup, world: Int32s, code: Number, notes: Notes) -> bool:
    """Let the event *code* happen in *world*, in place; False, with the miss noted, if an entry is unknown."""
    actors = look.allowed.shape[1]
    operation = code >> CODE_BITS
    number = code & CODE_MASK
    budget = world[actors]
    if operation == LOCAL:
        actor, column = number // look.local_columns, number % look.local_columns
        for kind in range(look.allowed.shape[0]):
            if look.kind_column[budget, kind] == column:
                world[actors] = look.spend[budget, kind]
        return _land(look, world, actor, cell(look.step, world[actor], column), notes)
    slot = look.option_slot[number]
    holds = look.option_twice[number] if operation == DUPLICATE else look.option_after[number]
    if holds < 0:
        note(notes, MISS_TWICE if operation == DUPLICATE else MISS_AFTER, number, 0)
        return False
    world[slot] = holds
    if operation == DELIVER:
        actor = np.int64(look.slot_target[slot])
        return _land(look, world, actor, cell(look.step, world[actor], look.option_column[number]), notes)
    world[actors] = look.spend[budget, look.allowed.shape[0] + operation - DROP]
    return True


@inlined
def _land(look: Lookup, world: Int32s, actor: Number, transition: Number, notes: Notes) -> bool:
    """Let *actor* take *transition* in *world*, in place; False if an entry is unknown."""
    world[actor] = look.next_state[transition]
    _observe(look, world, transition, notes, True)
    _moved, known = _send(look, world, transition, notes)
    return bool(known)


@inlined
def _home(word: Word, region: Number, size: Number) -> Number:
    """Where *word* belongs in its region, which has *size* places: the bits below those that name the region, scaled.

    It is the first place of a cache line, so that a look-up reads as few of these as can be.
    """
    return region * size + (scale(word * np.uint64(REGIONS), size) & -CACHE_LINE)


@inlined
def _find(slots: UInt64s, word: Word, region: Number, size: Number) -> Number:
    """The place that holds *word*, or the free one where it belongs. Probing never leaves the region."""
    place = _home(word, region, size)
    end = (region + 1) * size
    while slots[place] != word and slots[place] != 0:
        place += 1
        if place == end:
            place -= size
    return place


@compiled
def sort(found: Candidates, count: Number, by_region: Sorted) -> None:
    """Sort the first *count* candidates by the region of the visited set to which they belong, keeping their order."""
    start = by_region.start
    for region in range(REGIONS + 1):
        start[region] = 0
    for candidate in range(count):
        start[scale(found.fingerprint[candidate], REGIONS) + 1] += 1
    for region in range(REGIONS):
        start[region + 1] += start[region]
    for candidate in range(count):
        word = found.fingerprint[candidate]
        region = scale(word, REGIONS)
        place = start[region]
        by_region.fingerprint[place] = word if word != 0 else np.uint64(1)  # 0 marks a free place
        by_region.candidate[place] = candidate
        start[region] = place + 1
    for region in range(REGIONS, 0, -1):
        start[region] = start[region - 1]
    start[0] = 0


@compiled
def claim(slots: UInt64s, region: Number, by_region: Sorted, fresh: UInt8s) -> Number:
    """Put the candidates of *region* that are not in the set *slots* there, and mark them FRESH. Returns how many."""
    size = slots.shape[0] // REGIONS
    start, end = by_region.start[region], by_region.start[region + 1]
    many = 0
    for ahead in range(start, min(start + PREFETCH_DISTANCE, end)):
        prefetch(slots, _home(by_region.fingerprint[ahead], region, size))
    for index in range(start, end):
        if index + PREFETCH_DISTANCE < end:
            prefetch(slots, _home(by_region.fingerprint[index + PREFETCH_DISTANCE], region, size))
        word = by_region.fingerprint[index]
        place = _find(slots, word, region, size)
        new = slots[place] == 0
        slots[place] = word
        fresh[by_region.candidate[index]] = FRESH if new else 0
        many += new
    return many


@compiled
def build(
    look: Lookup, found: Candidates, fresh: UInt8s, count: Number, rows: Int32s, new: Level, fill: Number, notes: Notes
) -> None:
    """Build the rows of FRESH candidates in *new*, from *fill* on, in order; those that are built become BUILT.

    *rows* are the worlds that the candidates come from. A row that needs an entry that is unknown is left, with the
    miss noted, to be built by the next call, in the same place.
    """
    notes.counts[N_MISSES] = 0
    for candidate in range(count):
        if fresh[candidate] == FRESH:
            source = found.source[candidate]
            row = new.rows[fill]
            for slot in range(row.shape[0]):
                row[slot] = rows[source, slot]
            if _advance(look, row, found.code[candidate], notes):
                fresh[candidate] = BUILT
            new.fingerprint[fill] = found.fingerprint[candidate]
            new.source[fill] = source
            new.code[fill] = found.code[candidate]
        fill += fresh[candidate] != 0
    notes.counts[N_MISSES] = min(notes.counts[N_MISSES], notes.misses.shape[0])


@inlined
def _equal(rows: Int32s, index: Number, world: Int32s) -> bool:
    slot = 0
    while slot < rows.shape[1] and rows[index, slot] == world[slot]:
        slot += 1
    return bool(slot == rows.shape[1])


@compiled
def insert_exact(
    look: Lookup,
    ordinals: Int64s,
    found: Candidates,
    first: Number,
    all_worlds: Level,
    fill: Number,
    room: Number,
    targets: Int64s,
    start: Number,
    notes: Notes,
) -> tuple[Number, Number]:
    """Append the candidates from *start* on whose worlds are not among *all_worlds*, which has all that were ever seen.

    *ordinals* is the open-addressing table, 0 for a free place, else 1 + the index in *all_worlds*; sources count from
    *first* in it. targets[i] becomes the index of the world that candidate i leads to. At most *room* are appended.
    Returns (the new fill, where to go on): it stops at a candidate that needs an unknown entry, which is noted, or for
    which there is no room.
    """
    size = ordinals.shape[0]
    world = notes.world
    count = notes.counts[N_CANDIDATES]
    notes.counts[N_MISSES] = 0
    for candidate in range(start, count):
        source = first + found.source[candidate]
        word = found.fingerprint[candidate]
        for slot in range(all_worlds.rows.shape[1]):
            world[slot] = all_worlds.rows[source, slot]
        if not _advance(look, world, found.code[candidate], notes):
            return fill, candidate
        place = scale(word, size)
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
            return fill, candidate
        room -= 1
        for slot in range(all_worlds.rows.shape[1]):
            all_worlds.rows[fill, slot] = world[slot]
        all_worlds.fingerprint[fill] = word
        all_worlds.source[fill] = found.source[candidate]
        all_worlds.code[fill] = found.code[candidate]
        targets[candidate] = fill
        fill += 1
        ordinals[place] = fill
    return fill, count


@compiled
def place_all(ordinals: Int64s, fingerprints: UInt64s, count: Number) -> None:
    """Put the first *count* worlds into an empty table of ordinals. They are known to differ."""
    size = ordinals.shape[0]
    for known in range(count):
        place = scale(fingerprints[known], size)
        while ordinals[place] != 0:
            place += 1
            if place == size:
                place = 0
        ordinals[place] = known + 1


@compiled
def spread(slots: UInt64s, before: Number, moved: UInt8s) -> None:
    """Move the fingerprints of a table without regions that grew in place to where they belong.

    *slots* had *before* places and has more now, the new ones free. *moved* has a bit for each place, all 0.

    From the last place down, an entry goes to its new place; an entry it meets there that was not moved yet is carried
    on. No place that a moved entry passed is freed again, so that probing finds everything.
    """
    size = slots.shape[0]
    for index in range(before - 1, -1, -1):
        if slots[index] == 0 or moved[index >> 3] >> (index & 7) & 1:
            continue
        word = slots[index]
        slots[index] = 0
        while word != 0:
            place = scale(word, size)
            while moved[place >> 3] >> (place & 7) & 1:
                place += 1
                if place == size:
                    place = 0
            word, slots[place] = slots[place], word
            moved[place >> 3] |= 1 << (place & 7)


@compiled
def gather(slots: UInt64s, begin: Number, end: Number) -> Number:
    """Move what is in slots[begin:end] to its beginning, in the order in which it lies there; how many there are."""
    fill = begin
    for place in range(begin, end):
        word = slots[place]
        if word != 0:
            slots[fill] = word
            fill += 1
    return fill - begin


# --- views ------------------------------------------------------------------------------------------------------------


@compiled
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
    count = 0
    for index in range(start, end):
        row = rows[index]
        if before.shape[0] > 0 and _shows_the_same(views, actors, history, row, before[source[index]]):
            continue
        word = _shown(views, actors, history, row)
        place = _place_shown(seen, word)
        if seen[place] == word:
            continue
        if count == out.shape[0]:
            return count, index
        seen[place] = word
        out[count] = index
        count += 1
    return count, end


@inlined
def _shows_the_same(views: Int32s, actors: Number, history: Number, row: Int32s, other: Int32s) -> bool:
    """Whether two worlds show the same tuple of views; for the rest see `unseen`."""
    same = history < 0 or row[history] == other[history]
    for actor in range(actors):
        same &= views[row[actor]] == views[other[actor]]
    return bool(same)


@inlined
def _shown(views: Int32s, actors: Number, history: Number, row: Int32s) -> Word:
    """One word for the tuple of views that a world shows."""
    word: Word = np.uint64(0x9E3779B97F4A7C15)
    for actor in range(actors):
        word = mix(word ^ np.uint64(views[row[actor]]))
    if history >= 0:
        word = mix(word ^ np.uint64(row[history]))
    return word


@inlined
def _place_shown(seen: UInt64s, word: Word) -> Number:
    """The place that holds *word*, or the free one where it belongs."""
    size = seen.shape[0]
    place = scale(word, size)
    while seen[place] != word and seen[place] != 0:
        place += 1
        if place == size:
            place = 0
    return place


@inlined
def mix(word: Word) -> Word:
    """A bijection of 64-bit words that spreads every bit (the finalizer of splitmix64, behind an odd step)."""
    word += np.uint64(0x9E3779B97F4A7C15)
    word ^= word >> np.uint64(30)
    word *= np.uint64(0xBF58476D1CE4E5B9)
    word ^= word >> np.uint64(27)
    word *= np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return word
