"""Judges a round of a soak, when all clients have paused and all servers have come to rest.

What the clients saw is judged for linearizability by the checker's own search. Of an operation whose outcome no client
learnt, only the logs can tell whether it took effect; since all is at rest, it either has or never will. That is all
that this part believes of the logs.

What the servers stored is judged apart: all logs are the same, begin as they began when last seen, hold what was
acknowledged, in an order that agrees with time, and nothing that was refused; carried out one by one, each command once
however often it was sent, they give the answers that were given, and the balance that each server has.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import frozen

from bank_app.app import BankingApp, Credit, Debit, Query
from checker.properties.linearizability import Call, problem_with
from raftframe.effects import Done, Outcome
from raftframe.entries import Command, Entry, ServerId, Term

from .bankers import Deed, surely_had_no_effect

Name: TypeAlias = tuple[str, int]
APP: Final = BankingApp()
AT_REST: Final = 1 << 63  # later than any call


@frozen
class Rest:
    """What servers had when all was at rest: each one's new entries, those after `Known.entries`; and its balance."""

    entries: Mapping[ServerId, tuple[Entry, ...]]
    balances: Mapping[ServerId, int]


@frozen
class Known:
    """What the rounds before have left: the committed log, and the balance that it comes to."""

    entries: tuple[Entry, ...] = ()
    balance: int = 0


@frozen
class Verdict:
    """What is wrong, if anything is, and what the next round begins from."""

    problems: tuple[str, ...]
    known: Known


def judged(known: Known, deeds: Sequence[Deed], rest: Rest) -> Verdict:
    """The verdict on a round that began with *known*, in which clients did *deeds*, and which ended with *rest*."""
    logs = sorted(rest.entries.items())
    new = max((log for _, log in logs), key=len)
    problems = [f"the log of {name} is not that of the others" for name, log in logs if log != new]
    carried_out, balance = _carried_out(known.balance, new)
    problems += [
        f"{name} has {has}, and its log comes to {balance}" for name, has in rest.balances.items() if has != balance
    ]
    problems += _wrong_answers(deeds, carried_out)
    problems += _out_of_time(deeds, carried_out)
    history = [call for deed in deeds if (call := _call(deed, carried_out)) is not None]
    wrong = problem_with(history, known.balance, _apply)
    problems += [f"what the clients saw is not linearizable: {wrong}"] if wrong else []
    return Verdict(tuple(problems), Known((*known.entries, *new), balance))


def election_problems(elections: Iterable[tuple[Term, ServerId]]) -> list[str]:
    """Terms that two servers have led."""
    leaders: dict[Term, set[ServerId]] = {}
    for term, server in elections:
        leaders.setdefault(term, set()).add(server)
    return [f"{' and '.join(sorted(who))} both led term {term}" for term, who in leaders.items() if len(who) > 1]


def _apply(balance: int, operation: Hashable) -> tuple[int, Hashable]:
    """One operation on a balance, as the bank defines it."""
    assert isinstance(operation, Credit | Debit | Query)
    applied = APP.apply(balance, operation)
    assert isinstance(applied.state, int)
    return applied.state, applied.answer


def _commands(log: Iterable[Entry]) -> Iterator[Command]:
    return (entry.command for entry in log if isinstance(entry.command, Command))


def _carried_out(balance: int, log: Iterable[Entry]) -> tuple[dict[Name, tuple[int, Outcome]], int]:
    """Of each command in *log*: which one it is, and its outcome; and the balance in the end."""
    outcomes: dict[Name, tuple[int, Outcome]] = {}
    for number, command in enumerate(_commands(log)):
        if (command.client, command.serial) in outcomes:
            continue  # sent again, and committed again; it takes effect once
        balance, answer = _apply(balance, command.operation)
        outcomes[command.client, command.serial] = number, Done(answer)
    return outcomes, balance


def _wrong_answers(deeds: Iterable[Deed], carried_out: Mapping[Name, tuple[int, Outcome]]) -> Iterator[str]:
    for deed in deeds:
        found = carried_out.get((deed.client, deed.serial))
        if surely_had_no_effect(deed):
            if found is not None:
                yield f"{deed}, and it is in the log"
        elif isinstance(deed.outcome, Done):
            if found is None and deed.operation != Query():  # a read need not be in the log
                yield f"{deed}, and it is lost: no log has it"
            elif found is not None and found[1] != deed.outcome:
                yield f"{deed}, and by the log it is {found[1]}"


def _out_of_time(deeds: Iterable[Deed], carried_out: Mapping[Name, tuple[int, Outcome]]) -> Iterator[str]:
    """What stands in the log before something that had returned when it was called (in order of the log, no later call
    may have returned before an earlier one was called).
    """
    logged = [deed for deed in deeds if isinstance(deed.outcome, Done) and (deed.client, deed.serial) in carried_out]
    logged.sort(key=lambda deed: carried_out[deed.client, deed.serial][0])
    latest: Deed | None = None  # of those so far, the one that was called last
    for deed in logged:
        if latest is not None and deed.returned < latest.called:
            yield f"{latest} is before {deed} in the log, and was called after it had returned"
        if latest is None or deed.called > latest.called:
            latest = deed


def _call(deed: Deed, carried_out: Mapping[Name, tuple[int, Outcome]]) -> Call | None:
    """*deed* for the judge of linearizability: None if it had no effect. One that did, without the client's knowledge,
    may have done so at any time after its call.
    """
    if surely_had_no_effect(deed):
        return None
    if isinstance(deed.outcome, Done):
        return Call(deed.client, deed.operation, deed.called, deed.returned, deed.outcome.answer)
    if (deed.client, deed.serial) not in carried_out:
        return None
    outcome = carried_out[deed.client, deed.serial][1]
    assert isinstance(outcome, Done)
    return Call(deed.client, deed.operation, deed.called, AT_REST, outcome.answer)
