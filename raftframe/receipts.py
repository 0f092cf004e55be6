"""What a driver hands back when it has done what a step left for later (option `async_storage`)."""

from __future__ import annotations

from attrs import frozen

from raftframe.entries import Index, ServerId, Term


@frozen
class Stored:
    """Everything that was to be stored up to a certain step is stored, and safe from a power failure.

    term, voted_for, last_index, last_term: the term, the vote and the end of the log of that step. The term is what
    tells an entry from another of the same index and term that is written later (see `rules.deferring`).
    """

    term: Term
    voted_for: ServerId | None
    last_index: Index
    last_term: Term


@frozen
class Applied:
    """The application gets to the entries up to *index*: they are handed to it in the step that this event makes."""

    index: Index
