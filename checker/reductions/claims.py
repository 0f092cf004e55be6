"""Which messages are dead, which deliveries confluent, and which local events fused, as far as the local behaviour is
known.

Theory of operation. They are greatest relations over the graph of what each actor can meet: `offered[a]` are the events
that some world offered to an actor in state *a*. The search reports what is offered, and asks. An answer "no" is for
ever, since what is offered only grows. An answer "yes" is a *claim*: it holds for what was offered so far. When the
search has ended, and now and then before, `intact` judges every claim that was used by what is offered now. If one does
not hold, the search is to be done again; the claim is not made a second time. So the last search rests on claims that
hold for all that it met.

    dead(a, m)       m is a no-op at a, and dead(a', m) for each a' that an offered event leads to
    confluent(a, m)  m is invisible at a, and for b = step(a, m) and each event e offered at a or at b: e is possible at
                     both or neither, and looks alike; step(b, e) is where m leads from c = step(a, e), all messages
                     sent are the same in both orders; and confluent(c, m) or dead(c, m)
    fused(a, e)      the local event e is invisible at a, its budget never runs short (see `ample.py`), and each other
                     event offered at a, or at b = step(a, e), is impossible at a, or a no-op there that is not numbered

What is offered at b counts as offered at a: a run in which m, or e, is late meets those events at a.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from attrs import Factory, define

from checker.reductions.ample import Ample
from checker.reductions.steps import LocalStep, LocalSteps

MOST_PAIRS = 100  # that one question may rest on; few rest on more than thirty, and they hardly ever hold
LEAST_PAIRS = 30  # that one may always rest on: each that was given up halves what the next may

States = defaultdict[int, set[int]]  # by event column: of some actor, since no two share a state


def _none() -> States:
    return defaultdict(set)


@define
class Rests:
    """What a confluent delivery rests on."""

    events: set[int]  # that commute with it
    states: set[int]  # in which the same delivery must be confluent, or dead


@define
class Claims:
    """The claims of one exploration. *stays* says that a delivered message may come again without being sent again;
    without *ample*, nothing is fused.
    """

    steps: LocalSteps
    stays: bool = False
    ample: Ample | None = None
    offered: States = Factory(_none)  # by state: columns of events
    _dead: States = Factory(_none)
    _alive: States = Factory(_none)
    _confluent: States = Factory(_none)
    _not_confluent: States = Factory(_none)
    _fused: States = Factory(_none)
    _not_fused: States = Factory(_none)
    _used_dead: States = Factory(_none)
    _used_confluent: States = Factory(_none)
    _used_fused: States = Factory(_none)
    _most_pairs: int = MOST_PAIRS
    _rests: dict[tuple[int, int], Rests] = Factory(dict)
    _followed: dict[int, tuple[int, set[int]]] = Factory(dict)  # by state: what followed it when so much was offered

    def offer(self, state: int, column: int) -> None:
        """Note that the event may happen in *state*."""
        self.offered[state].add(column)
        if self.ample is not None:
            self.ample.meet(state, column)

    def use_dead(self, state: int, column: int) -> bool:
        """Whether the message may be forgotten; the answer is relied on."""
        if not self.is_dead(state, column):
            return False
        self._used_dead[column].add(state)
        return True

    def use_confluent(self, state: int, column: int) -> bool:
        """Whether the delivery may be taken alone; the answer is relied on."""
        if not self.is_confluent(state, column):
            return False
        self._used_confluent[column].add(state)
        return True

    def use_fused(self, state: int, column: int) -> bool:
        """Whether the local event may be taken alone; the answer is relied on."""
        if not self.is_fused(state, column):
            return False
        self._used_fused[column].add(state)
        return True

    @property
    def fuses(self) -> bool:
        """Whether any local event was found to be fused."""
        return any(self._fused.values())

    def intact(self) -> bool:
        """Whether every claim that was used holds for what is offered now, and for what that offers."""
        before, holds = -1, [True]
        while all(holds) and before != self._size():
            before = self._size()
            self._dead.clear()
            self._confluent.clear()
            self._fused.clear()
            holds = [self.is_dead(*pair) for pair in _pairs(self._used_dead)]
            holds += [self.is_confluent(*pair) for pair in _pairs(self._used_confluent)]
            holds += [self.is_fused(*pair) for pair in _pairs(self._used_fused)]
        return all(holds)

    def forget(self) -> None:
        """Begin the account of the next search: nothing is used yet."""
        self._used_dead.clear()
        self._used_confluent.clear()
        self._used_fused.clear()

    def _size(self) -> int:
        return sum(map(len, self.offered.values()))

    # --- dead messages ------------------------------------------------------------------------------------------------

    def is_dead(self, state: int, column: int) -> bool:
        """Whether the message can never again do anything at its actor, from *state* on."""
        dead, alive = self._dead[column], self._alive[column]
        if state in dead or state in alive:
            return state in dead
        met, todo = {state}, [state]
        while todo:
            here = todo.pop()
            step = self.steps.at[here][column]
            if here in alive or not (step is None or step.is_no_op):
                alive |= {state, here}
                return False
            follow = self._follow(here) - met
            met |= follow
            todo += follow - dead
        dead |= met
        return True

    def _follow(self, state: int) -> set[int]:
        """The states that follow *state* by what is offered there."""
        offered = self.offered[state]
        many, follow = self._followed.get(state, (0, set()))
        if many != len(offered):
            steps = self.steps.at[state]
            follow = {step.after for event in offered if (step := steps[event]) is not None}
            self._followed[state] = len(offered), follow
        return follow

    # --- confluent deliveries -----------------------------------------------------------------------------------------

    def is_confluent(self, state: int, column: int) -> bool:
        """Whether delivering the message in *state* is invisible, and commutes with all that may happen there."""
        confluent = self._confluent[column]
        if state not in confluent and state not in self._not_confluent[column]:
            self._settle(state, column)
        return state in confluent

    def _settle(self, first: int, column: int) -> None:
        """Decide *first*, and what must be decided for that: together, since states may rest on each other."""
        confluent, refuted = self._confluent[column], self._not_confluent[column]
        rests_on_me = _none()
        met, todo = {first}, [first]
        while todo:
            state = todo.pop()
            needs = None if state in refuted else self._needs(state, column)
            if needs is None or not needs.isdisjoint(refuted):
                _refute(state, refuted, rests_on_me)
                if first in refuted:
                    return
                continue
            for need in needs - confluent:
                rests_on_me[need].add(state)
                if need not in met:
                    met.add(need)
                    todo.append(need)
            if len(met) > self._most_pairs:
                refuted.add(first)  # or so it is taken: to say no is always sound
                self._most_pairs = max(LEAST_PAIRS, self._most_pairs // 2)
                return
        confluent |= met - refuted

    def _needs(self, state: int, column: int) -> set[int] | None:
        """Where else this must be confluent for it to be so in *state*; None if it is not, whatever else is."""
        step = self.steps.at[state][column]
        if step is None or not step.is_silent:
            return None
        rests = self._rests.get((state, column))
        if rests is None:
            if not self.steps.same_views(state, step.after):
                return None
            rests = self._rests[state, column] = Rests({column}, {step.after})
        self.offered[state] |= self.offered[step.after]
        if self.stays and not self.is_dead(step.after, column):
            return None
        for event in self.offered[state] - rests.events:
            after = self._commutes(state, column, step, event)
            if after is None:
                return None
            rests.events.add(event)
            rests.states.add(after)
        return {after for after in rests.states if not self.is_dead(after, column)}

    def _commutes(self, state: int, column: int, step: LocalStep, event: int) -> int | None:
        """The state after *event*, if the delivery *step* and *event* commute; None if they don't."""
        early, late = self.steps.at[state][event], self.steps.at[step.after][event]
        if early is None or late is None:
            return step.after if early is late else None
        if early.observed != late.observed or early.broken != late.broken:
            return None
        then = self.steps.at[early.after][column]
        if then is None or then.after != late.after:
            return None
        in_order, turned = step.sends + late.sends, early.sends + then.sends
        return early.after if in_order == turned or sorted(in_order) == sorted(turned) else None

    # --- fused local events -------------------------------------------------------------------------------------------

    def is_fused(self, state: int, column: int) -> bool:
        """Whether nothing but this local event can do anything in *state*, and nobody sees when it comes."""
        fused, refuted = self._fused[column], self._not_fused[column]
        if state not in fused and state not in refuted:
            (fused if self._waits_unseen(state, column) else refuted).add(state)
        return state in fused

    def _waits_unseen(self, state: int, column: int) -> bool:
        step = self.steps.of(state, column)
        if self.ample is None or not self.ample.may_suffice(column) or step is None:
            return False
        if not step.is_silent or not self.steps.same_views(state, step.after):
            return False
        self.offered[state] |= self.offered[step.after]
        others = self.offered[state] - {column}
        return all(self._is_idle(state, event) for event in others) and self.ample.suffices(column)

    def _is_idle(self, state: int, event: int) -> bool:
        """Whether it changes nothing if *event* happens in *state*, not even which event comes next elsewhere."""
        assert self.ample is not None
        step = self.steps.of(state, event)
        return step is None or (step.is_no_op and not self.ample.is_numbered(event))


def _pairs(states: States) -> Iterator[tuple[int, int]]:
    return ((state, column) for column, of_column in states.items() for state in of_column)


def _refute(state: int, refuted: set[int], rests_on: Mapping[int, set[int]]) -> None:
    """*state* is not confluent, nor is what rests on it."""
    todo = [state]
    while todo:
        one = todo.pop()
        refuted.add(one)
        todo += rests_on.get(one, set()) - refuted
