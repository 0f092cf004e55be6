"""The log as a value. Indexes count from 1, as in the paper; what a snapshot covers may be missing at the beginning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import field, frozen

from raftframe.entries import Entry, Index, Term
from raftframe.run import Entries, Run, common_length, shared


@frozen
class Log:
    """An immutable sequence of entries, at the indexes `base_index` + 1 to `last_index`.

    base_index, base_term: those of the entry before the first, the last one that a snapshot has taken the place of; 0
    and 0 while the log is whole. Everything up to there is committed, so two logs of one cluster agree on it.
    """

    entries: Entries = field(default=(), converter=shared)
    base_index: Index = 0
    base_term: Term = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def last_index(self) -> Index:
        """The index of the last entry, here or in the snapshot; 0 when there is none."""
        return self.base_index + len(self.entries)

    @property
    def last_term(self) -> Term:
        """The term of the last entry; 0 when there is none."""
        return self.term_at(self.last_index)

    @property
    def terms(self) -> tuple[Term, ...]:
        """The term of each entry that is here: how the paper draws a log (figures 7 and 8)."""
        return tuple(entry.term for entry in self.entries)

    def __contains__(self, index: object) -> bool:
        return isinstance(index, int) and self.base_index < index <= self.last_index

    def at(self, index: Index) -> Entry:
        """The entry at *index*. Raises IndexError when there is none: a negative index must not wrap around."""
        place = index - self.base_index - 1
        try:
            if place >= 0:
                return self.entries[place]
        except IndexError:
            pass
        raise IndexError(f"no entry at index {index}: the log has {self.base_index + 1} to {self.last_index}")

    def term_at(self, index: Index) -> Term:
        """The term of the entry at *index*, which may be the one before the first; 0 at index 0."""
        return self.base_term if index == self.base_index else self.at(index).term

    def has(self, index: Index, term: Term) -> bool:
        """Whether the entry at *index* is known to be of *term*."""
        return self.base_index <= index <= self.last_index and self.term_at(index) == term

    def between(self, first: Index, last: Index) -> tuple[Entry, ...]:
        """The entries at *first* to *last*, both included, as far as there are any; empty when first > last."""
        base = self.base_index
        if first <= base:
            raise IndexError(f"entries are numbered from {base + 1}, not from {first}")
        return self.entries[first - base - 1 : max(last - base, 0)]

    def up_to(self, index: Index) -> Log:
        """This log without the entries behind *index*; this log itself when there are none."""
        base = self.base_index
        if index < base:
            raise IndexError(f"entries are numbered from {base + 1}: none is left to keep up to {index}")
        if index >= self.last_index:
            return self
        count = index - base
        return Log(
            self.entries.first(count) if isinstance(self.entries, Run) else self.entries[:count], base, self.base_term
        )

    def behind(self, index: Index) -> Log:
        """This log without the entries up to *index*, which a snapshot covers; this log itself when there are none.
        Raises IndexError beyond the last one.
        """
        if index <= self.base_index:
            return self
        return Log(self.entries[index - self.base_index :], index, self.term_at(index))

    def followed_by(self, entries: Iterable[Entry]) -> Log:
        """This log with *entries* appended."""
        return Log(self.entries + tuple(entries), self.base_index, self.base_term)

    def starts_with(self, other: Log) -> bool:
        """Whether *other* is a prefix of this log, as far as both can tell."""
        return self.last_index >= other.last_index == self.common_prefix(other)

    def common_prefix(self, other: Log) -> Index:
        """The last index up to which the two logs are equal. Logs mostly share their entries, so it is found soon.

        What only one of them has in its snapshot counts as equal, unless its last term is another there.
        """
        if self.base_index == other.base_index == 0:
            return common_length(self.entries, other.entries)
        base = max(self.base_index, other.base_index)
        if base > min(self.last_index, other.last_index):
            return min(self.last_index, other.last_index)
        if self.term_at(base) != other.term_at(base):
            return min(self.base_index, other.base_index)
        return base + common_length(self.behind(base).entries, other.behind(base).entries)
