"""The system as tables of small integers, filled on demand by the real code.

Theory of operation. Reachable worlds are many, but distinct actor states, messages and channel contents are few, and so
are the distinct (state, event) pairs: everything else is interleaving. So every value is interned, and every question
that exploration asks becomes a table look-up. All of these are automata over small integers:

    step[state, event column] -> transition    the real `System.step`, run once a distinct pair (twice, in fact, and
                                               compared; see `stepping.Performer`)
    add[content, message] -> content           a channel when something is sent
    options of a content                       what may be next on it, and what it holds then; the same for all networks
    spend[budget, kind] -> budget              what is left of the budgets
    move[monitor state, observation] -> monitor state

States are interned with their actor, contents with their channel: the numbers are unique in the whole world. Event
columns count within an actor: its local events first, the same for every actor, then the messages that were ever sent
to it.

The kernel meets an entry that is UNKNOWN, notes a miss, and `fill` answers it. Numbers, once given, never change, and
are given in the order of need, so that the same search numbers everything alike in every process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from checker.engine.arrays import Column, Grid
from checker.engine.layout import (
    BROKEN,
    CODE_BITS,
    CODE_MASK,
    DELIVER,
    DROP,
    IMPOSSIBLE,
    LOCAL,
    MISS_ADD,
    MISS_AFTER,
    MISS_MOVE,
    MISS_SPEND,
    MISS_STEP,
    MISS_TWICE,
    UNKNOWN,
    Cells,
    Int32s,
    Lookup,
    UInt8s,
)
from checker.engine.recalling import recall
from checker.engine.sparse import Sparse
from checker.engine.transitions import Sent, Transition, TransitionArrays
from checker.engine.words import WORD, word_of
from checker.errors import LimitError, UsageError
from checker.stepping import Finding, Outcome, Performer, copy_of, describe_error, move
from checker.system import ActorId, Deliver, Event, Local, Message, Send, State, Step
from checker.world import (
    DROPS,
    DUPLICATES,
    Bag,
    Content,
    Delivery,
    Drop,
    Duplicate,
    EverSent,
    Fifo,
    LocalEvent,
    Rules,
    World,
    WorldEvent,
    empty_content,
)

View: TypeAlias = Callable[[ActorId, State], Hashable]


@frozen
class ViewRaised:
    """Stands for the view of a state on which the view function raised."""

    text: str


class Tables:
    """The tables of one system under one set of rules. See the module for what they hold.

    Read in bulk: `states` (actor, state) by number; `columns[actor]` the events by column; `messages` (slot, message)
    by number; `transitions` by number; `view_column(group)`; `lookup` the arrays as the kernel sees them. `step`
    answers for a pair that no search has met yet.
    """

    def __init__(self, rules: Rules, views: Sequence[View] = (), elsewhere: Tables | None = None) -> None:
        self.rules = rules
        self.elsewhere = elsewhere  # tables of the same rules: what is known there is not run again
        self.system = rules.system
        self.actors = rules.system.actors
        self.kinds = rules.system.local_kinds
        self.distinct_steps = 0
        self.marks: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.depth = 1  # of the level whose worlds are expanded; the search keeps it true
        self.first_depth: dict[str, int] = {}  # where each mark, and event that was possible, was first met
        self._actor_index = {actor: index for index, actor in enumerate(self.actors)}
        self._lookup: Lookup | None = None
        self._views = tuple(views)
        self.view_values: list[list[Hashable]] = [[] for _ in views]
        self._view_ids: list[dict[Hashable, int]] = [{} for _ in views]
        self._view_columns = [Column(np.int32) for _ in views]
        self.view_numbers: list[tuple[int, ...]] = []  # by state: the number, among `view_values`, of each of its views
        self._start_states()
        self._start_events()
        self._start_transitions()
        self._start_channels()
        self._start_budgets()
        self._start_monitors()

    # --- actor states -------------------------------------------------------------------------------------------------

    def _start_states(self) -> None:
        self.states: list[tuple[int, State]] = []
        self.state_ids: dict[tuple[int, State], int] = {}
        self._state_hash = Column(np.uint64)

    def state_id(self, actor: int, state: State, *, copied: bool = False) -> int:
        """The number of *state* of the actor with index *actor*; if it is new, it is kept as it is, or *copied*."""
        key = (actor, state)
        try:
            known = self.state_ids.get(key)
        except (Exception, SystemExit) as error:  # the user's __hash__ or __eq__
            name = self.actors[actor]
            raise UsageError(f"looking a state of {name} up raised {describe_error(error)}") from error
        if known is not None:
            return known
        if copied:
            key = (actor, copy_of(state))
        number = self.state_ids[key] = len(self.states)
        self.states.append(key)
        self._state_hash.append(word_of("state", number))
        views = tuple([self._view_id(group, view, self.actors[actor], state) for group, view in enumerate(self._views)])
        self.view_numbers.append(views)
        for column, value in zip(self._view_columns, views, strict=True):
            column.append(value)
        return number

    def _view_id(self, group: int, view: View, actor: ActorId, state: State) -> int:
        try:
            value = view(actor, state)
            known = self._view_ids[group].setdefault(value, len(self.view_values[group]))
        except (Exception, SystemExit) as error:
            value = ViewRaised(describe_error(error))
            known = self._view_ids[group].setdefault(value, len(self.view_values[group]))
        if known == len(self.view_values[group]):
            self.view_values[group].append(value)
        return known

    def view_column(self, group: int) -> NDArray[np.int32]:
        """The number of the view, among `view_values[group]`, of each state."""
        return self._view_columns[group].values

    # --- events -------------------------------------------------------------------------------------------------------

    def _start_events(self) -> None:
        """Columns of local events: one for each kind, or one for each number that a numbered kind can have."""
        events: list[Event] = []
        self._first_column: list[int] = []
        for kind in self.kinds:
            self._first_column.append(len(events))
            limit = self.rules.bounds.of(kind.budget)
            begun = self.rules.start.used_of(kind.budget) if self.rules.start is not None else 0
            numbers = range(begun, begun + limit) if kind.numbered else range(1)
            events += [Local(kind.name, number) for number in numbers]
        self.local_columns = len(events)
        self.columns: list[list[Event]] = [list(events) for _ in self.actors]
        self._step = Sparse(64, 64)
        self._late_steps: dict[tuple[int, int], int] = {}  # that are to be put there when somebody looks
        pairs = [[self.rules.vary.allows(kind.name, actor) for actor in self.actors] for kind in self.kinds]
        self._allowed = np.array(pairs, np.uint8).reshape(len(self.kinds), len(self.actors))

    # --- transitions --------------------------------------------------------------------------------------------------

    def _start_transitions(self) -> None:
        self._performer = Performer(self.system, self.rules.watch)
        self.transitions: list[Transition] = []
        self.findings: dict[int, tuple[Finding, ...]] = {}
        self._arrays = TransitionArrays(len(self.rules.monitors))

    def step(self, state: int, column: int, *, again: bool = False) -> int:
        """The transition of a state on an event column of its actor, or IMPOSSIBLE; runs the code if need be.

        Once is enough if it is done *again*: for an image of a pair on which it was run, with which it is compared.
        """
        known = self.known_step(state, column)
        if known == UNKNOWN:
            known = self._late_steps[state, column] = self._take_step(state, column, again)
            self._lookup = None
        return known

    def known_step(self, state: int, column: int) -> int:
        """As `step`, or UNKNOWN if the code was not run."""
        known = self._late_steps.get((state, column))
        if known is not None:
            return known
        rows, columns = self._step.covered
        return self._step[state, column] if state < rows and column < columns else UNKNOWN

    def _take_step(self, state: int, column: int, again: bool = False) -> int:
        """Run the real code on one distinct (state, event) pair."""
        event = self.columns[self.states[state][0]][column]
        name = _event_name(event)
        self.distinct_steps += 1
        self.events[name] += 1
        recalled = None if self.elsewhere is None else recall(self.elsewhere, *self.states[state], event, column)
        outcome = self._perform(state, column, again) if recalled is None else recalled
        if outcome.step is None:
            return IMPOSSIBLE
        self.first_depth.setdefault(name, self.depth)
        for mark in outcome.step.marks:
            self.marks[mark] += 1
            self.first_depth.setdefault(mark, self.depth)
        return self._add_transition(state, outcome, outcome.step, copied=recalled is None)

    def _perform(self, state: int, column: int, again: bool = False) -> Outcome:
        actor, value = self.states[state]
        keys = state, -1 - actor - column * len(self.actors)  # of states, and of events: numbers below 0
        perform = self._performer.again if again else self._performer.twice
        return perform(keys, self.actors[actor], (value, self.columns[actor][column]))

    def _add_transition(self, state: int, outcome: Outcome, step: Step, *, copied: bool) -> int:
        """Note what was done, *copied* if what was returned may have parts of what the code will be given again."""
        actor, number = self.states[state][0], len(self.transitions)
        after = self.state_id(actor, step.state, copied=copied)
        if outcome.findings:
            self.findings[number] = outcome.findings
        seen = tuple(map(self._observation_id, range(len(outcome.observations)), outcome.observations))
        ends = self._actor_index
        sends = tuple([self.message_id(actor, ends[send.target], send.message, copied=copied) for send in step.sends])
        self.transitions.append(Transition(state, after, sends, seen, step.marks, step.outputs))
        return number

    def _arranged_transitions(self) -> TransitionArrays:
        """All of them, those that came since the last time too."""
        for number in range(self._arrays.size, len(self.transitions)):
            one = self.transitions[number]
            self._arrays.append(one, list(map(self._sent, one.sends)), alarm=number in self.findings)
        return self._arrays

    def _sent(self, message: int) -> Sent:
        word = self._message_word[message] if self._sums else 0
        return Sent(self.messages[message][0], self.message_index[message], word)

    def silence(self, transition: int) -> None:
        """Do not alarm again about *transition*."""
        self._arrays.silence(transition)

    def moved(self, state: int, observation: int) -> int:
        """Where a monitor goes from *state*, numbers both; BROKEN - s if it breaks and goes to s."""
        self._move.cover(len(self.monitor_states), len(self.observations[self.monitor_states[state][0]]))
        if self._move[state, observation] == UNKNOWN:
            self._fill_move(state, observation)
            self._lookup = None
        return self._move[state, observation]

    def spent(self, budget: int, kind: int) -> int:
        """The budget after an event of the kind with index *kind*, both as numbers, or IMPOSSIBLE; kinds that come
        after the local ones are losses and duplications.
        """
        self._cover_rest()
        if self._spend.values[budget, kind] == UNKNOWN:
            self._fill_spend(budget, kind)
            self._lookup = None
        return int(self._spend.values[budget, kind])

    def column_of(self, kind: int, left: tuple[int, ...]) -> int:
        """The event column of the local kind with index *kind* when *left* is left of the budgets, or IMPOSSIBLE."""
        budget = self.budget_id(left)  # first, since it may make the grid larger
        return int(self._kind_column.values[budget, kind])

    # --- messages and channels ----------------------------------------------------------------------------------------

    def _start_channels(self) -> None:
        self.first_channel = len(self.actors) + 1 + len(self.rules.monitors)
        self.width = self.first_channel
        self.channels: list[tuple[int, int]] = []  # by slot - first_channel
        self.empty: list[int] = []  # the number of the empty content, likewise
        self.channel_slots: dict[tuple[int, int], int] = {}
        self._channel_messages: list[list[int]] = []
        self._slot_target = Column(np.int32, [0] * self.width)
        self._slot_open = Column(np.uint8, [0] * self.width)
        self.messages: list[tuple[int, Message]] = []
        self._message_word: list[int] = []
        self.message_index: list[int] = []  # within its channel
        self.message_column: list[int] = []  # the delivery's event column at the target
        self.message_ids: dict[tuple[int, Message], int] = {}
        self.contents: list[tuple[int, Content]] = []  # slot, content with numbers of messages
        self._content_ids: dict[tuple[int, Content], int] = {}
        self._content_hash = Column(np.uint64)
        self._add = Sparse()
        self._option_start = Column(np.int32, [0])
        self.option_message: list[int] = []
        self._option_content: list[int] = []
        self._option_slot, self._option_column = Column(np.int32), Column(np.int32)
        self._option_after, self._option_twice = Column(np.int32), Column(np.int32)
        self._option_hash = Column(np.uint64)
        self._nothing = empty_content(self.rules.network)
        self._sums = self.rules.network == "unordered"

    def channel_slot(self, source: int, target: int) -> int:
        """The slot of the channel between two actors; a channel gets one when something is first sent on it."""
        known = self.channel_slots.get((source, target))
        if known is not None:
            return known
        slot = self.channel_slots[source, target] = self.width
        self.width += 1
        blocked = (self.actors[source], self.actors[target]) in self.rules.blocked
        self._slot_target.append(target)
        self._slot_open.append(self.rules.vary.deliver and not blocked)
        self.channels.append((source, target))
        self._channel_messages.append([])
        self.empty.append(self.content_id(slot, self._nothing))
        return slot

    def message_id(self, source: int, target: int, message: Message, *, copied: bool = False) -> int:
        """The number of *message* on the channel between two actors; *copied* as in `state_id`."""
        slot = self.channel_slot(source, target)
        try:
            known = self.message_ids.get((slot, message))
        except (Exception, SystemExit) as error:  # the user's __hash__ or __eq__
            where = f"{self.actors[source]} to {self.actors[target]}"
            raise UsageError(f"looking a message from {where} up raised {describe_error(error)}") from error
        if known is not None:
            return known
        if copied:
            message = copy_of(message)
        number = self.message_ids[slot, message] = len(self.messages)
        self.messages.append((slot, message))
        self._message_word.append(word_of("message", number))
        siblings = self._channel_messages[slot - self.first_channel]
        self.message_index.append(len(siblings))
        siblings.append(number)
        self.message_column.append(len(self.columns[target]))
        self.columns[target].append(Deliver(self.actors[source], message))
        return number

    def content_id(self, slot: int, content: Content) -> int:
        """The number of *content*, which holds numbers of messages, on the channel at *slot*."""
        known = self._content_ids.get((slot, content))
        if known is not None:
            return known
        number = self._content_ids[slot, content] = len(self.contents)
        self.contents.append((slot, content))
        self._content_hash.append(self._content_word(number, content))
        for message in content.choices():
            assert isinstance(message, int)
            self.option_message.append(message)
            self._option_content.append(number)
            self._option_slot.append(slot)
            self._option_column.append(self.message_column[message])
            self._option_hash.append(self._message_word[message])
            for after in (self._option_after, self._option_twice):
                after.append(number if isinstance(content, EverSent) else UNKNOWN)
        if len(self.option_message) > CODE_MASK:
            raise LimitError(f"more than {CODE_MASK} ways to deliver a message: lower the bounds")
        self._option_start.append(len(self.option_message))
        return number

    def _content_word(self, number: int, content: Content) -> int:
        """A content's share of the fingerprint: 0 if it is empty, the sum of its messages' words if it is a bag."""
        if self._sums:
            messages: Any = content.messages()  # numbers, here
            return sum(map(self._message_word.__getitem__, messages)) & WORD
        return word_of("content", number) if content else 0

    def _fill_add(self, content: int, index: int) -> None:
        if self._add[content, index] == UNKNOWN:
            slot, held = self.contents[content]
            message = self._channel_messages[slot - self.first_channel][index]
            self._add[content, index] = self.content_id(slot, held.add(message))

    def _fill_after(self, option: int, _column: int) -> None:
        slot, held = self.contents[self._option_content[option]]
        self._option_after[option] = self.content_id(slot, held.take(self.option_message[option]))

    def _fill_twice(self, option: int, _column: int) -> None:
        slot, held = self.contents[self._option_content[option]]
        self._option_twice[option] = self.content_id(slot, held.twice(self.option_message[option]))

    # --- budgets ------------------------------------------------------------------------------------------------------

    def _start_budgets(self) -> None:
        """The budgets of the kinds in order, then drops and duplicates. What `vary` forbids can't be spent."""
        vary = self.rules.vary
        faults = (DROPS if vary.drop else None, DUPLICATES if vary.duplicate else None)
        self._spent_by: tuple[str | None, ...] = (*(kind.budget for kind in self.kinds), *faults)
        self._budget_names = self.rules.budgets
        self.budgets: list[tuple[int, ...]] = []  # what is left, in the order of `Rules.budgets`
        self._budget_ids: dict[tuple[int, ...], int] = {}
        self._budget_hash = Column(np.uint64)
        self._spend = Grid(UNKNOWN, 16, len(self._spent_by))
        self._kind_column = Grid(IMPOSSIBLE, 16, max(1, len(self.kinds)))

    def budget_id(self, left: tuple[int, ...]) -> int:
        """The number of what is left of the budgets."""
        known = self._budget_ids.get(left)
        if known is not None:
            return known
        number = self._budget_ids[left] = len(self.budgets)
        self.budgets.append(left)
        self._budget_hash.append(word_of("budget", number))
        self._kind_column.cover(number + 1, len(self.kinds))
        for index, kind in enumerate(self.kinds):
            remain = left[self._budget_names.index(kind.budget)]
            past = self.rules.bounds.of(kind.budget) - remain if kind.numbered else 0
            self._kind_column.values[number, index] = self._first_column[index] + past if remain else IMPOSSIBLE
        return number

    def _fill_spend(self, budget: int, kind: int) -> None:
        name = self._spent_by[kind]
        left = list(self.budgets[budget])
        after = IMPOSSIBLE
        if name is not None:
            place = self._budget_names.index(name)
            if left[place]:
                left[place] -= 1
                after = self.budget_id(tuple(left))
                self._spend.cover(len(self.budgets), len(self._spent_by))
        self._spend.values[budget, kind] = after

    # --- monitors -----------------------------------------------------------------------------------------------------

    def _start_monitors(self) -> None:
        self.monitor_states: list[tuple[int, Hashable]] = []
        self._monitor_ids: dict[tuple[int, Hashable], int] = {}
        self._monitor_hash = Column(np.uint64)
        self.observations: list[list[Hashable]] = [[] for _ in self.rules.monitors]
        self._observation_ids: list[dict[Hashable, int]] = [{} for _ in self.rules.monitors]
        self._move = Sparse()

    def monitor_id(self, monitor: int, state: Hashable) -> int:
        """The number of *state* of the monitor with index *monitor*."""
        known = self._monitor_ids.get((monitor, state))
        if known is not None:
            return known
        number = self._monitor_ids[monitor, state] = len(self.monitor_states)
        self.monitor_states.append((monitor, state))
        self._monitor_hash.append(word_of("monitor", number))
        return number

    def _observation_id(self, monitor: int, observation: Hashable | None) -> int:
        if observation is None:
            return -1
        known = self._observation_ids[monitor].setdefault(observation, len(self.observations[monitor]))
        if known == len(self.observations[monitor]):
            self.observations[monitor].append(observation)
        return known

    def _fill_move(self, state: int, observation: int) -> None:
        monitor, value = self.monitor_states[state]
        went = move(self.rules.monitors[monitor], value, self.observations[monitor][observation])
        number = self.monitor_id(monitor, went.state)
        self._move[state, observation] = number if went.broken is None else BROKEN - number

    # --- misses -------------------------------------------------------------------------------------------------------

    def fill(self, misses: Iterable[Sequence[int]]) -> None:
        """Fill the entries (MISS_*, row, column) that the kernel lacked. An entry may be named more than once."""
        fillers: dict[int, Callable[[int, int], object]] = {
            MISS_STEP: self.step,
            MISS_ADD: self._fill_add,
            MISS_SPEND: self._fill_spend,
            MISS_MOVE: self._fill_move,
            MISS_AFTER: self._fill_after,
            MISS_TWICE: self._fill_twice,
        }
        self._cover()
        for kind, row, column in misses:
            fillers[kind](row, column)
        self._lookup = None

    def _cover(self) -> None:
        """Make the grids as large as what is numbered so far."""
        self._note_steps()
        self._add.cover(len(self.contents), max(map(len, self._channel_messages), default=0))
        self._cover_rest()

    def _cover_rest(self) -> None:
        self._spend.cover(len(self.budgets), len(self._spent_by))
        self._move.cover(len(self.monitor_states), max(map(len, self.observations), default=0))

    def _note_steps(self) -> None:
        """Put the steps that came since the last time where the kernel looks them up."""
        self._step.cover(len(self.states), max(map(len, self.columns)))
        for pair, number in self._late_steps.items():
            self._step[pair] = number
        self._late_steps.clear()

    @property
    def lookup(self) -> Lookup:
        """The arrays as the kernel reads them, good until the next `fill`."""
        if self._lookup is None:
            self._lookup = self._make_lookup()
        return self._lookup

    def _make_lookup(self) -> Lookup:
        self._cover()
        arrays = self._arranged_transitions()
        return Lookup(
            step=self._step.cells,
            next_state=arrays.next_state.values,
            change=arrays.change.values,
            flags=arrays.flags.values,
            observed=arrays.observed.values,
            send_start=arrays.send_start.values,
            send_slot=arrays.send_slot.values,
            send_index=arrays.send_index.values,
            add=self._add.cells,
            option_start=self._option_start.values,
            option_slot=self._option_slot.values,
            option_column=self._option_column.values,
            option_after=self._option_after.values,
            option_twice=self._option_twice.values,
            option_hash=self._option_hash.values,
            slot_target=self._slot_target.values,
            slot_open=self._slot_open.values,
            spend=self._spend.values,
            kind_column=self._kind_column.values,
            allowed=self._allowed,
            move=self._move.cells,
            state_hash=self._state_hash.values,
            content_hash=self._content_hash.values,
            budget_hash=self._budget_hash.values,
            monitor_hash=self._monitor_hash.values,
            local_columns=self.local_columns,
            sums=self._sums,
        )

    @property
    def beside_steps(self) -> tuple[Int32s, Int32s, UInt8s, Cells]:
        """As `lookup`, but for steps: spend, kind_column, allowed, move."""
        self._cover_rest()
        return self._spend.values, self._kind_column.values, self._allowed, self._move.cells

    @property
    def sparse(self) -> tuple[Sparse, Sparse, Sparse]:
        """The tables that may be grids or blocks: of steps, of what is added to contents, of monitors' moves."""
        self._note_steps()
        return self._step, self._add, self._move

    def become_compact(self) -> None:
        """Have blocks in place of grids, however small the tables are."""
        for table in self.sparse:
            table.become_compact()
        self._lookup = None

    # --- kept for another process -------------------------------------------------------------------------------------

    def kept(self) -> dict[str, Any]:
        """All that was learnt, to be pickled: everything but the rules and what is made of them."""
        self._note_steps()
        return {name: value for name, value in vars(self).items() if name not in _MADE_OF_RULES}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Be as the tables were that `kept` this, under the same rules. Every distinct step is taken again: raises
        UsageError if one comes to something else now.
        """
        vars(self).update(kept)
        for state, column, number in zip(*(of_each.tolist() for of_each in self._step.known()), strict=True):
            self._take_again(state, column, number)

    def _take_again(self, state: int, column: int, number: int) -> None:
        actor = self.states[state][0]
        if self._perform(state, column).step != (None if number == IMPOSSIBLE else self.step_of(number)):
            raise UsageError(
                f"what {self.actors[actor]} does on {_event_name(self.columns[actor][column])} is not what it was when "
                "the checkpoint was made: the code has changed, or it is not the same in every process; begin anew"
            )

    def step_of(self, number: int) -> Step:
        """A transition as the system tells it."""
        one = self.transitions[number]
        sends = tuple(self._send_of(message) for message in one.sends)
        return Step(self.states[one.after][1], sends, one.marks, one.outputs)

    def _send_of(self, message: int) -> Send:
        slot, value = self.messages[message]
        return Send(self.actors[self.channels[slot - self.first_channel][1]], value)

    # --- worlds and events, there and back ----------------------------------------------------------------------------

    def row(self, world: World) -> NDArray[np.int32]:
        """*world* as the kernel sees it: one number a slot."""
        states = [self.state_id(index, state) for index, state in enumerate(world.states)]
        budget = self.budget_id(tuple(self.rules.left(world, name) for name in self._budget_names))
        monitors = [self.monitor_id(index, state) for index, (_name, state) in enumerate(world.monitors)]
        held: dict[int, int] = {}
        for (source, target), content in world.channels:
            ends = self._actor_index[source], self._actor_index[target]
            inside = self._nothing
            for message in content.messages():
                inside = inside.add(self.message_id(*ends, message))
            slot = self.channel_slot(*ends)
            held[slot] = self.content_id(slot, inside)
        channels = [held.get(self.first_channel + index, empty) for index, empty in enumerate(self.empty)]
        self._lookup = None
        return np.array([*states, budget, *monitors, *channels], np.int32)

    def fingerprint(self, row: NDArray[np.int32]) -> int:
        """The fingerprint of a row, from scratch."""
        look = self.lookup
        actors = len(self.actors)
        words = [*look.state_hash[row[:actors]], look.budget_hash[row[actors]]]
        words += [*look.monitor_hash[row[actors + 1 : self.first_channel]]]
        words += [*look.content_hash[row[self.first_channel :]]]
        return sum(map(int, words)) & WORD

    def world(self, row: Sequence[int]) -> World:
        """The world that *row* stands for. Rows from before a channel was first used may be shorter."""
        actors = len(self.actors)
        left = self.budgets[row[actors]]
        begun = self.rules.start.used_of if self.rules.start is not None else lambda _name: 0
        used = [
            (name, self.rules.bounds.of(name) + begun(name) - rest)
            for name, rest in zip(self._budget_names, left, strict=True)
        ]
        monitors = (self.monitor_states[number] for number in row[actors + 1 : self.first_channel])
        channels = dict(self._channel(number) for number in row[self.first_channel :] if self.contents[number][1])
        order = sorted(channels, key=lambda pair: (self._actor_index[pair[0]], self._actor_index[pair[1]]))
        return World(
            states=tuple(self.states[number][1] for number in row[:actors]),
            channels=tuple((pair, channels[pair]) for pair in order),
            used=tuple(sorted((name, count) for name, count in used if count)),
            monitors=tuple((self.rules.monitors[index].name, state) for index, state in monitors),
        )

    def _channel(self, content: int) -> tuple[tuple[ActorId, ActorId], Content]:
        slot, held = self.contents[content]
        source, target = self.channels[slot - self.first_channel]
        value = self._nothing
        for message in held.messages():
            assert isinstance(message, int)
            value = value.add(self.messages[message][1])
        return (self.actors[source], self.actors[target]), value

    def event(self, code: int) -> WorldEvent:
        """The event that an event code stands for."""
        operation, number = code >> CODE_BITS, code & CODE_MASK
        if operation == LOCAL:
            actor, column = divmod(number, self.local_columns)
            event = self.columns[actor][column]
            assert isinstance(event, Local)
            return LocalEvent(self.actors[actor], event.kind)
        slot, message = self.messages[self.option_message[number]]
        source, target = (self.actors[index] for index in self.channels[slot - self.first_channel])
        if operation == DELIVER:
            return Delivery(source, target, message)
        return Drop(source, target, message) if operation == DROP else Duplicate(source, target, message)

    def transition_of(self, row: Sequence[int], code: int) -> int | None:
        """The transition that an actor takes when *code* happens in *row*; None if no actor takes part."""
        operation, number = code >> CODE_BITS, code & CODE_MASK
        if operation == LOCAL:
            actor, column = divmod(number, self.local_columns)
            return self.step(row[actor], column)
        if operation != DELIVER:
            return None
        message = self.option_message[number]
        target = self.channels[self.messages[message][0] - self.first_channel][1]
        return self.step(row[target], self.message_column[message])

    def broken(self, row: Sequence[int], transition: int) -> Iterator[Finding]:
        """What *transition*, taken in *row*, breaks in the monitors."""
        for index, observation in enumerate(self.transitions[transition].observed):
            state = row[len(self.actors) + 1 + index]
            if observation >= 0 and self._move[state, observation] <= BROKEN:
                monitor = self.rules.monitors[index]
                value = self.monitor_states[state][1]
                yield Finding(monitor.name, str(move(monitor, value, self.observations[index][observation]).broken))


_MADE_OF_RULES = frozenset(
    {"elsewhere", "_performer", "rules", "system", "actors", "kinds", "_views", "_allowed", "_lookup"}
)


def _event_name(event: Event) -> str:
    return event.kind if isinstance(event, Local) else f"deliver {type(event.message).__name__}"


__all__ = ["Bag", "Fifo", "Tables", "View", "ViewRaised"]
