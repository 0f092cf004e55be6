"""What every application must keep to, as a class of tests to inherit.

To run your own application through it, say how to make one and which operations it knows:

    class TestMyApp(AppContract):
        def make_app(self) -> AppAPI:
            return MyApp()

        operations = [Put("a", 1), Get("a")]          # a few that can follow one another, in this order
        malformed = ["nonsense", Put("a", object())]  # some that it refuses; none if it accepts everything

Everything else is inherited. The operations are applied in every order and more than once, so `apply` must have an
answer for each of them in each state; that it refuses is an answer too. One test starts other processes, which import
your test class by its name.
"""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from itertools import permutations, product
from typing import Any, ClassVar

import pytest

from raftframe import Command, Configuration, Options, StandardStateMap, recover, start, step
from raftframe.api import AppAPI
from raftframe.api.app import Applied
from raftframe.effects import Apply, Done, Outcome, Refused, Reply
from raftframe.events import ClientRequest, ElectionTimeout

LONGEST = 3  # so many operations in a row, in every way to choose them


class AppContract(ABC):
    """The contract of `raftframe.api.AppAPI`; see the module's docstring for how to use it."""

    operations: ClassVar[Sequence[Hashable]]
    malformed: ClassVar[Sequence[Any]] = ()

    @abstractmethod
    def make_app(self) -> AppAPI:
        """A new application. Called often: two of them must behave alike."""

    @pytest.fixture
    def app(self) -> AppAPI:
        """One application."""
        return self.make_app()

    @staticmethod
    def history(app: AppAPI, operations: Sequence[Hashable]) -> list[Applied]:
        """What becomes of *operations*, one after the other."""
        state = app.initial_state()
        history: list[Applied] = []
        for operation in operations:
            applied = app.apply(state, operation)
            assert isinstance(applied, Applied), f"apply returns an Applied, not {applied!r}"
            history.append(applied)
            state = applied.state
        return history

    def rows(self) -> list[tuple[Hashable, ...]]:
        """Short sequences of operations: every choice of a few with repetition, and all of them in order."""
        some = tuple(self.operations)[:4]
        return [
            *(row for length in range(1, LONGEST + 1) for row in product(some, repeat=length)),
            tuple(self.operations),
        ]

    def test_it_has_the_methods_of_the_api(self, app: AppAPI) -> None:
        """All three, with the arguments that the protocol calls them with."""
        assert isinstance(app, AppAPI)
        for name, arguments in (("initial_state", ()), ("problem_with", (None,)), ("apply", (None, None))):
            inspect.signature(getattr(app, name)).bind(*arguments)

    def test_every_application_begins_alike(self, app: AppAPI) -> None:
        """A restarted server begins with the same state, also after others were used."""
        self.history(app, self.operations)

        assert app.initial_state() == self.make_app().initial_state()

    def test_the_operations_are_known(self, app: AppAPI) -> None:
        """`problem_with` has nothing against them, and says so in the same way every time."""
        assert self.operations, "give the contract a few operations"
        assert [app.problem_with(operation) for operation in self.operations] == [None] * len(self.operations)

    def test_a_malformed_operation_is_refused_in_words(self, app: AppAPI) -> None:
        """Whatever a client may send: the reason is a sentence, nothing is raised."""
        for operation in self.malformed:
            problem = app.problem_with(operation)
            assert isinstance(problem, str), f"{operation!r} is not refused"
            assert problem.strip(), f"{operation!r} is refused without a reason"

    def test_applying_gives_a_state_and_an_answer(self, app: AppAPI) -> None:
        """In every state that these operations lead to, none of them raises."""
        for row in self.rows():
            assert len(self.history(app, row)) == len(row)

    def test_equal_arguments_give_equal_results(self, app: AppAPI) -> None:
        """On every server, after whatever else the object did: nothing is remembered outside of the state."""
        expected = [self.history(self.make_app(), row) for row in self.rows()]

        assert [self.history(app, row) for row in self.rows()] == expected
        assert [self.history(app, row) for row in reversed(self.rows())] == expected[::-1]

    def test_states_and_answers_are_values(self, app: AppAPI) -> None:
        """They can be hashed and pickled, and a copy is equal: it goes on where the original would have."""
        for row in self.rows():
            for applied in self.history(app, row):
                copied = pickle.loads(pickle.dumps(applied))
                assert (copied, hash(copied)) == (applied, hash(applied))
                for operation in self.operations:
                    assert app.apply(copied.state, operation) == app.apply(applied.state, operation)

    def test_applying_changes_no_state(self, app: AppAPI) -> None:
        """The state before is still the state before."""
        for row in self.rows():
            state = app.initial_state()
            for operation in row:
                kept = pickle.dumps(state)
                after = app.apply(state, operation).state
                assert pickle.loads(kept) == state, f"{operation!r} changed the state that it was given"
                state = after

    def test_the_order_matters_only_through_the_state(self, app: AppAPI) -> None:
        """Equal states go on equally, however they were reached."""
        reached: dict[Hashable, list[Applied]] = {}
        for row in permutations(tuple(self.operations)[:4]):
            history = self.history(app, row)
            state = history[-1].state if history else app.initial_state()
            onwards = [app.apply(state, operation) for operation in self.operations]
            assert reached.setdefault(state, onwards) == onwards

    def test_results_do_not_depend_on_the_hash_seed(self) -> None:
        """Servers are processes, in each of which texts hash differently; what is shown of a result must agree."""
        program = (
            "import pickle, sys; make, row, history = pickle.loads(sys.stdin.buffer.read());"
            " print(repr(history(make(), row)))"
        )
        job = pickle.dumps((self.make_app, tuple(self.operations), AppContract.history))

        shown = {
            subprocess.run(
                [sys.executable, "-c", program],
                input=job,
                env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True,
                check=True,
            ).stdout
            for seed in ("0", "1")
        }
        assert len(shown) == 1

    # Behind the protocol

    def test_a_server_applies_and_answers(self) -> None:
        """A server alone takes the operations; its answers and its state are those of the application."""
        states = StandardStateMap(self.make_app(), Options(noop=False))
        state = step(start("s1", Configuration(("s1",)), states), ElectionTimeout(), states).state
        outcomes: list[Outcome] = []
        applied: list[Hashable] = []
        for serial, operation in enumerate(self.operations, start=1):
            taken = step(state, ClientRequest(Command("c1", serial, operation)), states)
            outcomes.extend(effect.outcome for effect in taken.effects if isinstance(effect, Reply))
            applied.extend(effect.answer for effect in taken.effects if isinstance(effect, Apply))
            state = taken.state

        history = self.history(self.make_app(), self.operations)
        assert outcomes == [Done(done.answer) for done in history]
        assert applied == [done.answer for done in history]
        assert state.app_state == history[-1].state
        assert recover("s1", state.configuration, state.durable, states).app_state == self.make_app().initial_state()

    def test_a_server_keeps_malformed_operations_out_of_the_log(self) -> None:
        """The client is told why."""
        states = StandardStateMap(self.make_app(), Options(noop=False))
        leader = step(start("s1", Configuration(("s1",)), states), ElectionTimeout(), states).state
        for operation in self.malformed:
            refused = step(leader, ClientRequest(Command("c1", 1, operation)), states)

            assert refused.state == leader
            assert [type(effect.outcome) for effect in refused.effects if isinstance(effect, Reply)] == [Refused]
