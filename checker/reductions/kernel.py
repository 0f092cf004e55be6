"""The inner loops of the reduced search, compiled: what `normal.py` says, fast.

`expand` lists what the worlds of a level lead to, each world brought to its normal form and that to its representative.
Like `checker.engine.kernel.expand` it notes what the tables lack as misses, and puts worlds with misses on the retry
list.
`insert` keeps what is new, `turned` makes the images that are judged.
"""

from __future__ import annotations

import numpy as np

from checker.engine.compiled import compiled, inlined, scale
from checker.engine.kernel import mix
from checker.engine.layout import (
    ALARM,
    BROKEN,
    CODE_BITS,
    DELIVER,
    DROP,
    DUPLICATE,
    IMPOSSIBLE,
    LOCAL,
    N_ALARMS,
    N_CANDIDATES,
    N_MISSES,
    N_RETRY,
    SEEN,
    UNKNOWN,
    Int32s,
    Int64s,
    Level,
    Notes,
    Number,
    UInt64s,
    Word,
)
from checker.engine.noting import alarm, conclude, note, notes_are_full, settle
from checker.engine.sparse import cell
from checker.reductions.covering import COVERED, KEYS, MESSAGES, MOST, WORLDS, Kept
from checker.reductions.layout import (
    ALIVE,
    CONFLUENT,
    DEAD,
    MISS_CONFLUENT,
    MISS_DEAD,
    MISS_MOVED,
    MISS_PAIR,
    MISS_ROOM,
    MISS_SPENT,
    NOTHING,
    OTHER,
    Found,
    Pairs,
    Room,
)

NO_WAY, UNKNOWN_WAY = -1, -2

# --- messages under way -----------------------------------------------------------------------------------------------


@inlined
def _first(look: Pairs) -> Number:
    """The first slot of the flight."""
    return look.allowed.shape[1] + 1 + look.observed.shape[1]


@inlined
def _put(world: Int32s, first: Number, message: Number, once: bool) -> bool:
    """Put *message* into the flight, in its order; if *once*, only if it is not there. False if there is no slot."""
    carried = message
    for slot in range(first, world.shape[0]):
        held = world[slot]
        if once and held == message:
            return True
        if held > carried:
            world[slot] = carried
            carried = held
        if carried == NOTHING:
            return True
    return False


@inlined
def _take(world: Int32s, slot: Number) -> None:
    """Take the message in *slot* out of the flight."""
    last = world.shape[0] - 1
    while slot < last and world[slot] != NOTHING:
        world[slot] = world[slot + 1]
        slot += 1
    world[last] = NOTHING


@inlined
def _pair_of(look: Pairs, world: Int32s, message: Number) -> Number:
    """The pair of *message* and the state of its receiver, or UNKNOWN."""
    return cell(look.pair, world[look.target[message]], look.column[message])


@inlined
def _land(look: Pairs, world: Int32s, actor: Number, pair: Number, notes: Notes) -> bool:
    """Let *actor* take the step of *pair*, in place; False, noted, if there is no room for what it sends."""
    world[actor] = look.after[pair]
    for send in range(look.send_start[pair], look.send_start[pair + 1]):
        if not _put(world, _first(look), look.send[send], look.stays):
            note(notes, MISS_ROOM, 0, 0)
            return False
    return True


# --- normal forms -----------------------------------------------------------------------------------------------------


@inlined
def _offer(look: Pairs, world: Int32s, notes: Notes) -> bool:
    """Whether every pair that *world* offers is known; those that are not are noted."""
    known = True
    kinds, actors = look.allowed.shape
    budget = world[actors]
    for kind in range(kinds):
        column = look.kind_column[budget, kind]
        if column != IMPOSSIBLE:
            for actor in range(actors):
                if look.allowed[kind, actor] and cell(look.pair, world[actor], column) == UNKNOWN:
                    note(notes, MISS_PAIR, world[actor], column)
                    known = False
    for slot in range(_first(look), world.shape[0]):
        message = world[slot]
        if message == NOTHING:
            break
        if _pair_of(look, world, message) == UNKNOWN:
            note(notes, MISS_PAIR, world[look.target[message]], look.column[message])
            known = False
    return known


@inlined
def _bury(look: Pairs, world: Int32s, notes: Notes) -> bool:
    """Leave dead messages out of *world*; False, noted, if it is not known of one whether it is."""
    known = True
    keep = _first(look)
    for slot in range(keep, world.shape[0]):
        message = world[slot]
        if message == NOTHING:
            break
        pair = _pair_of(look, world, message)
        if look.flags[pair] & DEAD:
            continue
        if not look.flags[pair] & ALIVE:
            note(notes, MISS_DEAD, pair, 0)
            known = False
        world[keep] = message
        keep += 1
    while keep < world.shape[0] and world[keep] != NOTHING:
        world[keep] = NOTHING
        keep += 1
    return known


@inlined
def _confluent(look: Pairs, world: Int32s, notes: Notes) -> Number:
    """The slot of the first message whose delivery may be taken alone; 0 if there is none, -1, noted, if that is not
    known.
    """
    for slot in range(_first(look), world.shape[0]):
        message = world[slot]
        if message == NOTHING:
            return 0
        pair = _pair_of(look, world, message)
        if look.flags[pair] & CONFLUENT:
            return slot
        if not look.flags[pair] & OTHER:
            note(notes, MISS_CONFLUENT, pair, 0)
            return -1
    return 0


@inlined
def _spent(look: Pairs, budget: Number, kind: Number, notes: Notes) -> Number:
    """The budget after spending; less than 0, noted if it is not known, if that cannot be."""
    left = look.spend[budget, kind]
    if left == UNKNOWN:
        note(notes, MISS_SPENT, budget, kind)
    return left


@inlined
def _fused(look: Pairs, world: Int32s, notes: Notes) -> Number:
    """The way (as of `_local_way`) of the first local event that may be taken alone; NO_WAY if there is none,
    UNKNOWN_WAY, noted, if that is not known.
    """
    kinds, actors = look.allowed.shape
    for way in range(kinds * actors if look.fuses else 0):
        kind, actor = way // actors, way % actors
        column = look.kind_column[world[actors], kind]
        if column == IMPOSSIBLE or not look.allowed[kind, actor]:
            continue
        pair = cell(look.pair, world[actor], column)
        if look.flags[pair] & CONFLUENT:
            if _spent(look, world[actors], kind, notes) == UNKNOWN:
                return UNKNOWN_WAY
            return way
        if not look.flags[pair] & OTHER:
            note(notes, MISS_CONFLUENT, pair, 0)
            return UNKNOWN_WAY
    return NO_WAY


@inlined
def _was_met(room: Room, links: Number) -> bool:
    """Whether the world is one of the first *links* of the chain."""
    for link in range(links):
        same = True
        for slot in range(room.world.shape[0]):
            same &= room.chain[link, slot] == room.world[slot]
        if same:
            return True
    return False


@inlined
def _normalise(look: Pairs, room: Room, notes: Notes) -> bool:
    """Bring the world to its normal form; False, with notes, if the tables lack what that needs."""
    world = room.world
    links = 0
    while True:
        if not _offer(look, world, notes) or not _bury(look, world, notes):
            return False
        if links == room.chain.shape[0] or _was_met(room, links):
            return True
        slot = _confluent(look, world, notes)
        way = _fused(look, world, notes) if slot == 0 else NO_WAY
        if slot < 0 or way == UNKNOWN_WAY:
            return False
        if slot == 0 and way == NO_WAY:
            return True
        for other in range(world.shape[0]):
            room.chain[links, other] = world[other]
        links += 1
        if slot == 0:
            kind, actor = way // look.allowed.shape[1], way % look.allowed.shape[1]
            budget = world[look.allowed.shape[1]]
            pair = cell(look.pair, world[actor], look.kind_column[budget, kind])
            world[look.allowed.shape[1]] = look.spend[budget, kind]
        else:
            message = world[slot]
            actor, pair = np.int64(look.target[message]), _pair_of(look, world, message)
            if not look.stays:
                _take(world, slot)
        if not _land(look, world, actor, pair, notes):
            return False


# --- representatives --------------------------------------------------------------------------------------------------


@inlined
def _turn(look: Pairs, world: Int32s, turned: Number, image: Int32s) -> None:
    """Make *image* what *world* becomes under the permutation *turned*."""
    actors, first = look.allowed.shape[1], _first(look)
    for actor in range(actors):
        image[look.places[turned, actor]] = look.state_image[world[actor], turned]
    image[actors] = world[actors]
    for slot in range(actors + 1, first):
        image[slot] = look.monitor_image[world[slot], turned]
    for slot in range(first, world.shape[0]):
        image[slot] = NOTHING
    for slot in range(first, world.shape[0]):
        if world[slot] == NOTHING:
            break
        _put(image, first, look.message_image[world[slot], turned], False)


@inlined
def _leads(look: Pairs, world: Int32s, turned: Number, best: Int32s) -> Number:
    """Whether the states that *world* has under *turned* are less than those of *best* (-1), the same (0), or more."""
    for actor in range(look.allowed.shape[1]):
        state = look.state_image[world[look.sources[turned, actor]], turned]
        if state != best[actor]:
            return -1 if state < best[actor] else 1
    return 0


@inlined
def _represent(look: Pairs, room: Room) -> Number:
    """Put the representative in the place of the world; how many worlds it stands for."""
    group = look.places.shape[0]
    if group == 1:
        return 1
    world, best, image = room.world, room.best, room.image
    for slot in range(world.shape[0]):
        best[slot] = world[slot]
    many = 1
    for turned in range(1, group):
        order = _leads(look, world, turned, best)
        if order > 0:
            continue
        _turn(look, world, turned, image)
        for slot in range(world.shape[0]):
            if order == 0 and image[slot] != best[slot]:
                order = -1 if image[slot] < best[slot] else 1
        if order == 0:
            many += 1
        elif order < 0:
            many = 1
            for slot in range(world.shape[0]):
                best[slot] = image[slot]
    for slot in range(world.shape[0]):
        world[slot] = best[slot]
    return group // many


# --- all that can happen in some worlds -------------------------------------------------------------------------------


@inlined
def _observe(look: Pairs, world: Int32s, pair: Number, notes: Notes) -> bool:
    """Show the step of *pair* to the monitors, and move them, in place; whether one broke."""
    broke = False
    first = look.allowed.shape[1] + 1
    for monitor in range(look.observed.shape[1]):
        seen = look.observed[pair, monitor]
        if seen >= 0:
            went = cell(look.move, world[first + monitor], seen)
            if went == UNKNOWN:
                note(notes, MISS_MOVED, world[first + monitor], seen)
            elif went <= BROKEN:
                broke = True
                world[first + monitor] = BROKEN - went
            else:
                world[first + monitor] = went
    return broke


@compiled
def _emit(look: Pairs, room: Room, source: Number, code: Number, found: Found, notes: Notes) -> None:
    """Append what stands for the world; when the list is full, only count it."""
    if not _normalise(look, room, notes):
        return
    stands_for = _represent(look, room)
    place = notes.counts[N_CANDIDATES]
    worlds = found.worlds
    if place < worlds.code.shape[0]:
        for slot in range(room.world.shape[0]):
            worlds.rows[place, slot] = room.world[slot]
        worlds.fingerprint[place] = fingerprint(room.world)
        worlds.source[place] = source
        worlds.code[place] = code
        found.stands_for[place] = stands_for
    notes.counts[N_CANDIDATES] = place + 1


@inlined
def _copy(row: Int32s, world: Int32s) -> None:
    for slot in range(row.shape[0]):
        world[slot] = row[slot]


@inlined
def _step(look: Pairs, room: Room, actor: Number, column: Number, source: Number, code: Number, notes: Notes) -> Number:
    """Let *actor* take the event in *column* in the world, in place: 1 if it did, 0 if the event is impossible, -1 if
    the tables lack something, which is noted.
    """
    pair = cell(look.pair, room.world[actor], column)
    if pair == UNKNOWN:
        note(notes, MISS_PAIR, room.world[actor], column)
        return -1
    if look.after[pair] == IMPOSSIBLE:
        return 0
    flags = look.flags[pair]
    if flags & SEEN and _observe(look, room.world, pair, notes):
        flags |= ALARM
    if flags & ALARM:
        alarm(notes, source, code)
    return 1 if _land(look, room.world, actor, pair, notes) else -1


@inlined
def _local_way(look: Pairs, row: Int32s, room: Room, way: Number, notes: Notes) -> tuple[Number, Number, Number]:
    """Spend what the local event with the number *way* costs, in the world: (actor, event column, code), or -1s if it
    cannot happen.
    """
    actors = look.allowed.shape[1]
    kind, actor = way // actors, way % actors
    left = _spent(look, row[actors], kind, notes)
    if left < 0 or not look.allowed[kind, actor]:
        return np.int64(-1), np.int64(-1), np.int64(-1)
    room.world[actors] = left
    column = np.int64(look.kind_column[row[actors], kind])
    return np.int64(actor), column, np.int64(actor * look.local_columns + column)


@inlined
def _fault(look: Pairs, row: Int32s, room: Room, operation: Number, message: Number, notes: Notes) -> Number:
    """Spend what a loss or a duplication costs, in the world, and duplicate: 1 if it happens, 0 if it cannot, -1,
    noted, if there is no room for the copy.
    """
    kinds, actors = look.allowed.shape
    left = _spent(look, row[actors], kinds + operation - DROP, notes)
    if left < 0:
        return 0
    room.world[actors] = left
    if operation == DUPLICATE and not _put(room.world, _first(look), message, look.stays):
        note(notes, MISS_ROOM, 0, 0)
        return -1
    return 1


@inlined
def _expand_world(look: Pairs, row: Int32s, room: Room, source: Number, found: Found, notes: Notes) -> Number:
    """Emit what one world leads to; how many ways on there are. All go through one loop, so that it is compiled once.

    The first ways are local events, by kind and actor; then come delivery, loss and duplication of each message.
    """
    first, local = _first(look), look.allowed.shape[0] * look.allowed.shape[1]
    many = 0
    for way in range(local + 3 * (row.shape[0] - first)):
        _copy(row, room.world)
        operation, happened = LOCAL, 0
        if way < local:
            actor, column, code = _local_way(look, row, room, way, notes)
        else:
            slot, operation = first + (way - local) // 3, DELIVER + (way - local) % 3
            message = np.int64(row[slot])
            if message == NOTHING:
                break
            actor, column, code = np.int64(-1), np.int64(-1), (operation << CODE_BITS) | message
            if slot == first or row[slot - 1] != message:
                if operation != DUPLICATE and not look.stays:
                    _take(room.world, slot)
                if operation != DELIVER:
                    happened = _fault(look, row, room, operation, message, notes)
                elif look.is_open[message]:
                    actor, column = np.int64(look.target[message]), np.int64(look.column[message])
        if actor >= 0:
            happened = _step(look, room, actor, column, source, code, notes)
        many += happened != 0
        if happened > 0:
            _emit(look, room, source, code, found, notes)
    return many


@compiled
def expand(look: Pairs, rows: Int32s, todo: Int64s, room: Room, found: Found, notes: Notes) -> None:
    """List what the worlds rows[todo] lead to in *found*, from its beginning.

    Notes: as of `checker.engine.kernel.expand`.
    """
    counts = notes.counts
    counts[N_CANDIDATES] = counts[N_MISSES] = counts[N_ALARMS] = counts[N_RETRY] = 0
    taken = 0
    for source in todo:
        candidates, misses, alarms = counts[N_CANDIDATES], counts[N_MISSES], counts[N_ALARMS]
        many = _expand_world(look, rows[source], room, source, found, notes)
        full = counts[N_CANDIDATES] > found.stands_for.shape[0]
        if not settle(notes, source, many, candidates, misses, alarms, full):
            break
        taken += 1
        if notes_are_full(notes):
            break
    conclude(notes, taken)


# --- worlds already seen ----------------------------------------------------------------------------------------------


@compiled
def fingerprint(world: Int32s) -> Word:
    """The fingerprint of a row: of what is before NOTHING, so that a wider row has the same; never 0."""
    word: Word = np.uint64(0)
    for slot in range(world.shape[0]):
        if world[slot] == NOTHING:
            break
        word = mix(word ^ np.uint64(world[slot]))
    return word if word != 0 else np.uint64(1)


@inlined
def _place(slots: UInt64s, word: Word) -> Number:
    """The place that holds *word*, or the free one where it belongs."""
    place = scale(word, slots.shape[0])
    while slots[place] != word and slots[place] != 0:
        place += 1
        if place == slots.shape[0]:
            place = 0
    return place


@inlined
def _key(row: Int32s, actors: Number, first: Number) -> Word:
    """A word for the states of actors and monitors in a row; never 0."""
    word: Word = np.uint64(0)
    for slot in range(first):
        if slot != actors:
            word = mix(word ^ np.uint64(row[slot]))
    return word if word != 0 else np.uint64(1)


@inlined
def _sign(row: Int32s, first: Number) -> Word:
    """A word with a bit for each message under way."""
    sign: Word = np.uint64(0)
    for slot in range(first, row.shape[0]):
        if row[slot] == NOTHING:
            break
        sign |= np.uint64(1) << (mix(np.uint64(row[slot])) & np.uint64(63))
    return sign


@inlined
def _has_all(kept: Kept, world: Number, row: Int32s, first: Number) -> bool:
    """Whether every message of *row* is under way in a world that was kept; both ascend."""
    place, end = kept.start[world], kept.start[world + 1]
    for slot in range(first, row.shape[0]):
        if row[slot] == NOTHING:
            break
        while place < end and kept.flight[place] < row[slot]:
            place += 1
        if place == end or kept.flight[place] != row[slot]:
            return False
        place += 1
    return True


@inlined
def _is_covered(kept: Kept, place: Number, row: Int32s, sign: Word, actors: Number, first: Number) -> bool:
    """Whether a world that was kept, of those whose key is at *place*, covers *row*."""
    world = kept.newest[place] if kept.keys[place] != 0 else -1
    tries = 0
    while world >= 0 and tries < MOST:
        may_cover = sign & ~kept.sign[world] == 0 and kept.as_much[kept.budget[world], row[actors]] != 0
        if may_cover and _has_all(kept, world, row, first):
            return True
        world = kept.before[world]
        tries += 1
    return False


@inlined
def _keep(kept: Kept, place: Number, row: Int32s, word: Word, sign: Word, actors: Number, first: Number) -> None:
    """Keep *row*, whose key *word* belongs at *place*."""
    world, end = kept.counts[WORLDS], kept.counts[MESSAGES]
    if kept.keys[place] == 0:
        kept.keys[place] = word
        kept.newest[place] = -1
        kept.counts[KEYS] += 1
    kept.before[world] = kept.newest[place]
    kept.newest[place] = world
    kept.budget[world] = row[actors]
    kept.sign[world] = sign
    for slot in range(first, row.shape[0]):
        if row[slot] == NOTHING:
            break
        kept.flight[end] = row[slot]
        end += 1
    kept.start[world + 1] = end
    kept.counts[WORLDS] = world + 1
    kept.counts[MESSAGES] = end


@compiled
def keep(actors: Number, first: Number, kept: Kept, row: Int32s) -> None:
    """Keep *row*, with which a search begins."""
    if kept.keys.shape[0] > 0:
        word = _key(row, actors, first)
        _keep(kept, _place(kept.keys, word), row, word, _sign(row, first), actors, first)


@compiled
def spread_keys(keys: UInt64s, newest: Int32s, more: UInt64s, with_newest: Int32s) -> None:
    """Put what is in one table of keys into another, which is larger and empty."""
    for place in range(keys.shape[0]):
        if keys[place] != 0:
            there = _place(more, keys[place])
            more[there] = keys[place]
            with_newest[there] = newest[place]


@compiled
def insert(
    actors: Number,
    first: Number,
    slots: UInt64s,
    kept: Kept,
    found: Found,
    count: Number,
    most: Number,
    new: Level,
    fill: Number,
) -> tuple[Number, Number]:
    """Append those of the first *count* worlds of *found* that are not in the set *slots* to *new*, at most *most*.

    Those that others cover are put into the set, counted, and left out. Returns (the new fill, for how many worlds
    those that were appended stand), the fill being one more than allowed if *most* was too few.
    """
    worlds = found.worlds
    stands_for = 0
    for candidate in range(count):
        place = _place(slots, worlds.fingerprint[candidate])
        if slots[place] != 0:
            continue
        row = worlds.rows[candidate]
        if kept.keys.shape[0] > 0:
            word, sign = _key(row, actors, first), _sign(row, first)
            chain = _place(kept.keys, word)
            if _is_covered(kept, chain, row, sign, actors, first):
                slots[place] = worlds.fingerprint[candidate]
                kept.counts[COVERED] += 1
                continue
            if most > 0:
                _keep(kept, chain, row, word, sign, actors, first)
        if most == 0:
            return fill + 1, stands_for
        most -= 1
        slots[place] = worlds.fingerprint[candidate]
        for slot in range(worlds.rows.shape[1]):
            new.rows[fill, slot] = worlds.rows[candidate, slot]
        new.fingerprint[fill] = worlds.fingerprint[candidate]
        new.source[fill] = worlds.source[candidate]
        new.code[fill] = worlds.code[candidate]
        fill += 1
        stands_for += found.stands_for[candidate]
    return fill, stands_for


@compiled
def unlike(
    actors: Number, first: Number, rows: Int32s, start: Number, end: Number, seen: UInt64s, out: Int64s
) -> tuple[Number, Number]:
    """Which of rows[start:end] have states and monitors that are not in the set *seen* yet; they are put there.

    Returns (how many indices are in *out*, where to go on): it stops when *out* is full.
    """
    count = 0
    for index in range(start, end):
        if count == out.shape[0]:
            return count, index
        word = _key(rows[index], actors, first)
        place = _place(seen, word)
        if seen[place] == 0:
            seen[place] = word
            out[count] = index
            count += 1
    return count, end


@compiled
def turned(look: Pairs, rows: Int32s, chosen: Int64s, out: Int32s) -> None:
    """Put the images of rows[chosen], as far as they are judged, into *out*: those of the first, then of the next."""
    group, first = look.places.shape[0], _first(look)
    actors = look.allowed.shape[1]
    for number in range(chosen.shape[0]):
        row = rows[chosen[number]]
        for one in range(group):
            image = out[number * group + one]
            for actor in range(actors):
                image[look.places[one, actor]] = look.state_image[row[actor], one]
            image[actors] = row[actors]
            for slot in range(actors + 1, first):
                image[slot] = look.monitor_image[row[slot], one]
