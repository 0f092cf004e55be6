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
from collections.abc import Mapping

from attrs import Factory, define

from checker.reductions.ample import Ample
from checker.reductions.steps import LocalStep, LocalSteps

MOST_PAIRS = 200  # that one question may rest on; few rest on more than thirty, and they hardly ever hold
LEAST_PAIRS = 30  # that one may always rest on: each that was given up halves what the next may

Pair = tuple[int, int]  # a state, and the event column of a delivery at its actor


@define
class Claims:
    """The claims of one exploration. *stays* says that a delivered message may come again without being sent again;
    without *ample*, nothing is fused.
    """

    steps: LocalSteps
    stays: bool = False
    ample: Ample | None = None
    offered: defaultdict[int, set[int]] = Factory(lambda: defaultdict(set))
    _dead: set[Pair] = Factory(set)
    _alive: set[Pair] = Factory(set)
    _confluent: set[Pair] = Factory(set)
    _not_confluent: set[Pair] = Factory(set)
    _fused: set[Pair] = Factory(set)
    _not_fused: set[Pair] = Factory(set)
    _used_dead: set[Pair] = Factory(set)
    _used_confluent: set[Pair] = Factory(set)
    _used_fused: set[Pair] = Factory(set)
    _most_pairs: int = MOST_PAIRS
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
        self._used_dead.add((state, column))
        return True

    def use_confluent(self, state: int, column: int) -> bool:
        """Whether the delivery may be taken alone; the answer is relied on."""
        if not self.is_confluent(state, column):
            return False
        self._used_confluent.add((state, column))
        return True

    def use_fused(self, state: int, column: int) -> bool:
        """Whether the local event may be taken alone; the answer is relied on."""
        if not self.is_fused(state, column):
            return False
        self._used_fused.add((state, column))
        return True

    @property
    def fuses(self) -> bool:
        """Whether any local event was found to be fused."""
        return bool(self._fused)

    def intact(self) -> bool:
        """Whether every claim that was used holds for what is offered now."""
        before = -1
        while before != self._size():
            before = self._size()
            self._dead.clear()
            self._confluent.clear()
            self._fused.clear()
            holds = [self.is_dead(*pair) for pair in self._used_dead]
            holds += [self.is_confluent(*pair) for pair in self._used_confluent]
            holds += [self.is_fused(*pair) for pair in self._used_fused]
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
        if (state, column) in self._dead:
            return True
        if (state, column) in self._alive or not self._is_no_op(state, column):
            return False
        met, todo = {state}, [state]
        while todo:
            here = todo.pop()
            if (here, column) in self._alive or not self._is_no_op(here, column):
                self._alive |= {(state, column), (here, column)}
                return False
            follow = self._follow(here) - met
            met |= follow
            todo += [after for after in follow if (after, column) not in self._dead]
        self._dead |= {(here, column) for here in met}
        return True

    def _is_no_op(self, state: int, column: int) -> bool:
        """Whether the event changes nothing, sends nothing, and nobody sees it."""
        step = self.steps.of(state, column)
        return step is None or step.is_no_op

    def _follow(self, state: int) -> set[int]:
        """The states that follow *state* by what is offered there."""
        offered = self.offered[state]
        many, follow = self._followed.get(state, (0, set()))
        if many != len(offered):
            steps = self.steps.at(state)
            follow = {step.after for event in offered if (step := steps[event]) is not None}
            self._followed[state] = len(offered), follow
        return follow

    # --- confluent deliveries -----------------------------------------------------------------------------------------

    def is_confluent(self, state: int, column: int) -> bool:
        """Whether delivering the message in *state* is invisible, and commutes with all that may happen there."""
        first = (state, column)
        if first not in self._confluent and first not in self._not_confluent:
            self._settle(first)
        return first in self._confluent

    def _settle(self, first: Pair) -> None:
        """Decide *first*, and what must be decided for that: together, since pairs may rest on each other."""
        rests_on_me: defaultdict[Pair, set[Pair]] = defaultdict(set)
        met, todo = {first}, [first]
        while todo:
            pair = todo.pop()
            needs = None if pair in self._not_confluent else self._needs(*pair)
            if needs is None or not needs.isdisjoint(self._not_confluent):
                self._refute(pair, rests_on_me)
                if first in self._not_confluent:
                    return
                continue
            for need in needs - self._confluent:
                rests_on_me[need].add(pair)
                if need not in met:
                    met.add(need)
                    todo.append(need)
            if len(met) > self._most_pairs:
                self._not_confluent.add(first)  # or so it is taken: to say no is always sound
                self._most_pairs = max(LEAST_PAIRS, self._most_pairs // 2)
                return
        self._confluent |= met - self._not_confluent

    def _refute(self, pair: Pair, rests_on_me: Mapping[Pair, set[Pair]]) -> None:
        """*pair* is not confluent, nor is what rests on it."""
        todo = [pair]
        while todo:
            refuted = todo.pop()
            self._not_confluent.add(refuted)
            todo += rests_on_me.get(refuted, set()) - self._not_confluent

    def _needs(self, state: int, column: int) -> set[Pair] | None:
        """The pairs that must be confluent for this one to be; None if it is not, whatever they are."""
        step = self.steps.of(state, column)
        if step is None or not step.is_silent or not self.steps.same_views(state, step.after):
            return None
        self.offered[state] |= self.offered[step.after]
        needs = set() if self.is_dead(step.after, column) else {(step.after, column)}
        if needs and self.stays:
            return None
        for event in self.offered[state] - {column}:
            need = self._commutes(state, column, step, event)
            if need is None:
                return None
            needs |= need
        return needs

    def _commutes(self, state: int, column: int, step: LocalStep, event: int) -> set[Pair] | None:
        """What must be confluent for the delivery *step* and *event* to commute; None if they don't."""
        early, late = self.steps.of(state, event), self.steps.of(step.after, event)
        if early is None or late is None:
            return set() if early is late else None
        if (early.observed, early.broken) != (late.observed, late.broken):
            return None
        then = self.steps.of(early.after, column)
        if then is None or then.after != late.after:
            return None
        if sorted(step.sends + late.sends) != sorted(early.sends + then.sends):
            return None
        return set() if self.is_dead(early.after, column) else {(early.after, column)}

    # --- fused local events -------------------------------------------------------------------------------------------

    def is_fused(self, state: int, column: int) -> bool:
        """Whether nothing but this local event can do anything in *state*, and nobody sees when it comes."""
        pair = (state, column)
        if pair not in self._fused and pair not in self._not_fused:
            (self._fused if self._waits_unseen(state, column) else self._not_fused).add(pair)
        return pair in self._fused

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
