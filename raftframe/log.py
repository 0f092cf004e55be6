"""The log as a value. Indexes count from 1, as in the paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import field, frozen

from raftframe.entries import Entry, Index, Term
from raftframe.run import Entries, Run, common_length, shared


@frozen
class Log:
    """An immutable sequence of entries, at the indexes 1 to `last_index`."""

    entries: Entries = field(default=(), converter=shared)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def last_index(self) -> Index:
        """The index of the last entry; 0 when there is none."""
        return len(self.entries)

    @property
    def last_term(self) -> Term:
        """The term of the last entry; 0 when there is none."""
        return self.term_at(self.last_index)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The term of each entry: how the paper draws a log (figures 7 and 8)."""
        return tuple(entry.term for entry in self.entries)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and 1 <= index <= self.last_index

    def at(self, index: Index) -> Entry:
        """The entry at *index*. Raises IndexError when there is none: a negative index must not wrap around."""
        if index not in self:
            raise IndexError(f"no entry at index {index}: the log has 1 to {self.last_index}")
        return self.entries[index - 1]

    def term_at(self, index: Index) -> Term:
        """The term of the entry at *index*; 0 at index 0, before the first entry."""
        return 0 if index == 0 else self.at(index).term

    def between(self, first: Index, last: Index) -> tuple[Entry, ...]:
        """The entries at *first* to *last*, both included, as far as there are any; empty when first > last."""
        if first < 1:
            raise IndexError(f"entries are numbered from 1, not from {first}")
        return self.entries[first - 1 : max(last, 0)]

    def up_to(self, index: Index) -> Log:
        """This log without the entries behind *index*; this log itself when there are none."""
        if index < 0:
            raise IndexError(f"entries are numbered from 1: none is left to keep up to {index}")
        if index >= self.last_index:
            return self
        return Log(self.entries.first(index) if isinstance(self.entries, Run) else self.entries[:index])

    def followed_by(self, entries: Iterable[Entry]) -> Log:
        """This log with *entries* appended."""
        return Log(self.entries + tuple(entries))

    def starts_with(self, other: Log) -> bool:
        """Whether *other* is a prefix of this log."""
        return len(self) >= len(other) == common_length(self.entries, other.entries)

    def common_prefix(self, other: Log) -> Index:
        """The last index up to which the two logs are equal. Logs mostly share their entries, so it is found soon."""
        return common_length(self.entries, other.entries)
