"""Bugs of asynchronous storage (dissertation §10.2.1): promises that a crash takes back, and receipts that lie."""

from __future__ import annotations

from typing import Final

from checker.mutants.base import Mutant
from checker.properties.raft import RAFT_PROPERTIES, applied_is_stored, stable_is_true
from raftframe import Options, ServerState
from raftframe.entries import Index
from raftframe.messages import AppendEntriesResponse, Message, RequestVote, RequestVoteResponse
from raftframe.receipts import Stored
from raftframe.server_state import Stable
from raftframe.states import BaseState, LeaderState
from raftframe.states.rules.deferring import UNPROMISING


class VotesBeforeItIsStored(BaseState):
    """A vote is told to the candidate while it is still to be stored."""

    def may_leave_early(self, state: ServerState, message: Message) -> bool:
        return isinstance(message, RequestVoteResponse) or super().may_leave_early(state, message)


class StandsBeforeItIsStored(BaseState):
    """A candidate asks for votes while its own is still to be stored."""

    def may_leave_early(self, state: ServerState, message: Message) -> bool:
        return isinstance(message, RequestVote) or super().may_leave_early(state, message)


class AcknowledgesBeforeItIsStored(BaseState):
    """A follower acknowledges entries that are still to be stored."""

    def may_leave_early(self, state: ServerState, message: Message) -> bool:
        return isinstance(message, AppendEntriesResponse) or super().may_leave_early(state, message)


class LeadsBeforeItIsStored(BaseState):
    """A leader sends entries while its term is still to be stored."""

    def may_leave_early(self, state: ServerState, message: Message) -> bool:
        return isinstance(message, UNPROMISING)


class CountsItselfBeforeItIsStored(LeaderState):
    """A leader counts itself for entries that are still to be stored."""

    def own_acknowledged_index(self, state: ServerState) -> Index:
        return state.log.last_index


class KeepsWhatIsOverwritten(BaseState):
    """Entries in the place of stored ones are taken to be stored."""

    def index_still_stored(self, before: ServerState, after: ServerState) -> Index:
        return after.log.last_index


class BelievesReceiptsOfEarlierTerms(BaseState):
    """A receipt counts for whatever entry is there of the index and the term that it names (ABA)."""

    def covers_log(self, state: ServerState, receipt: Stored) -> bool:
        return state.log.has(receipt.last_index, receipt.last_term)


class BelievesReceiptsByIndex(BaseState):
    """A receipt counts for whatever entry is there of the index that it names."""

    def covers_log(self, state: ServerState, receipt: Stored) -> bool:
        return receipt.last_index <= state.log.last_index


class AppliesBeforeItIsStored(BaseState):
    """What is committed is applied, stored here or not."""

    def appliable_index(self, state: ServerState, stable: Stable) -> Index:
        return state.commit_index


_OPTIONS: Final = Options(noop=False, announce_commit=False, async_storage=True)
_S1_LEADS: Final = (
    "timeout s1 ; store s1 ; receipt s1 ; RequestVote s1 s2 ; store s2 ; receipt s2 ; RequestVoteResponse s2 s1",
)
_AN_ENTRY_IS_OVERWRITTEN: Final = (
    # s2 leads term 1 with the votes of s4 and s5, and sends s1 an entry
    "timeout s2 ; store s2 ; receipt s2 ; RequestVote s2 s4 ; store s4 ; RequestVote s2 s5 ; store s5",
    "RequestVoteResponse s4 s2 ; RequestVoteResponse s5 s2 ; command s2 ; AppendEntries s2 s1 1",
    # s3 leads term 2, and sends s1 another in its place
    "timeout s3 ; store s3 ; timeout s3 ; store s3 ; receipt s3 ; receipt s3 ; RequestVote s3 s4 1 ; store s4",
    "RequestVote s3 s5 1 ; store s5 ; RequestVoteResponse s4 s3 ; RequestVoteResponse s5 s3 ; command s3",
    "AppendEntries s3 s1 1",
)
_AND_COMES_BACK: Final = (
    # s2, which has the first entry, leads term 3: s1 rejects its word, for all that is stored, and gets it again
    "RequestVote s3 s2 1 ; timeout s2 ; store s2 ; store s2 ; store s2 ; receipt s2 ; receipt s2 ; receipt s2",
    "RequestVote s2 s4 ; store s4 ; RequestVote s2 s5 ; store s5",
    "RequestVoteResponse s4 s2 ; RequestVoteResponse s5 s2 ; AppendEntries s2 s1 1 ; store s1 ; store s1 ; store s1",
    "AppendEntriesResponse s1 s2 1",
)

DEFERRING_MUTANTS = (
    Mutant(
        name="votes_before_it_is_stored",
        summary="a vote is told to the candidate while it is still to be stored",
        rules=VotesBeforeItIsStored,
        breaks="one_vote_per_term",
        steps=7,
        bounds={"timeouts": 2, "stores": 2, "crashes": 1, "restarts": 1},
        options=_OPTIONS,
    ),
    Mutant(
        name="stands_before_it_is_stored",
        summary="a candidate asks for votes while its own is still to be stored",
        rules=StandsBeforeItIsStored,
        breaks="one_vote_per_term",
        steps=6,
        bounds={"timeouts": 2, "stores": 2, "crashes": 1, "restarts": 1},
        options=_OPTIONS,
    ),
    Mutant(
        name="acknowledges_before_it_is_stored",
        summary="a follower acknowledges entries that are still to be stored",
        rules=AcknowledgesBeforeItIsStored,
        breaks="commit_on_majority",
        steps=5,
        bounds={"commands": 1, "stores": 2, "receipts": 2},
        prelude=_S1_LEADS,
        options=_OPTIONS,
    ),
    Mutant(
        name="leads_before_it_is_stored",
        summary="a leader sends entries while its term is still to be stored",
        rules=LeadsBeforeItIsStored,
        breaks="log_matching",
        steps=7,
        bounds={"timeouts": 2, "commands": 2, "stores": 1, "crashes": 1, "restarts": 1},
        servers=2,
        learners=("s2",),
        options=_OPTIONS,
    ),
    Mutant(
        name="counts_itself_before_it_is_stored",
        catalogue="H2",
        summary="a leader counts itself for entries that are still to be stored",
        rules=CountsItselfBeforeItIsStored,
        breaks="commit_on_majority",
        steps=4,
        bounds={"commands": 1, "stores": 2, "receipts": 2},
        prelude=_S1_LEADS,
        options=_OPTIONS,
    ),
    Mutant(
        name="applies_before_it_is_stored",
        summary="what is committed is applied, stored here or not",
        rules=AppliesBeforeItIsStored,
        breaks="applied_is_stored",
        steps=8,
        bounds={"commands": 1, "stores": 2, "receipts": 2, "applies": 1},
        prelude=_S1_LEADS,
        properties=(*RAFT_PROPERTIES, applied_is_stored),
        options=_OPTIONS,
    ),
    Mutant(
        name="keeps_what_is_overwritten",
        summary="entries in the place of stored ones are taken to be stored",
        rules=KeepsWhatIsOverwritten,
        breaks="stable_is_true",
        steps=10,
        bounds={"timeouts": 1, "stores": 3, "receipts": 1},
        given={"s1": (1,), "s2": (2,)},
        given_term=2,
        properties=(*RAFT_PROPERTIES, stable_is_true),
        options=_OPTIONS,
    ),
    Mutant(
        name="believes_receipts_of_earlier_terms",
        catalogue="H1",
        summary="a receipt counts for whatever entry is there of the index and the term that it names",
        rules=BelievesReceiptsOfEarlierTerms,
        breaks="stable_is_true",
        steps=2,
        bounds={"stores": 2, "receipts": 2},
        servers=5,
        prelude=(*_AN_ENTRY_IS_OVERWRITTEN, *_AND_COMES_BACK),
        properties=(*RAFT_PROPERTIES, stable_is_true),
        options=_OPTIONS,
    ),
    Mutant(
        name="believes_receipts_by_index",
        summary="a receipt counts for whatever entry is there of the index that it names",
        rules=BelievesReceiptsByIndex,
        breaks="stable_is_true",
        steps=2,
        bounds={"stores": 2, "receipts": 2},
        servers=5,
        prelude=_AN_ENTRY_IS_OVERWRITTEN,
        properties=(*RAFT_PROPERTIES, stable_is_true),
        options=_OPTIONS,
    ),
)
