"""What SQLite does not say about its write-ahead log: whether something in it is damaged.

SQLite reads a write-ahead log up to the first frame whose checksum is wrong and takes that for the end: the trace of a
write that was cut short. So it should, if that is what happened. But a bit that flips in the middle of the log, after
it was synced, looks the same, and SQLite then forgets, in silence, all that follows. A server that forgets a vote
breaks Raft, so the file is judged here before SQLite's word is taken for it:

    header    32 bytes   magic, version, page size, checkpoint number, salt (8 bytes), checksum (8 bytes)
    frame     24 bytes   page number, size of the database if this ends a transaction (else 0), salt, checksum
              + 1 page
    frame ...

Each transaction is synced before the next one begins. So if a bad frame is followed by the end of a transaction, and
that by one more frame with the salt of this log, then the bad frame *was* synced, and what it held is lost. If no frame
follows that end, the bad frame belongs to the last transaction: torn while it was written, or damaged later; the two
cannot be told apart, and nothing that was acknowledged hangs on the first.

Format: "Database File Format", section 4, of SQLite's documentation.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

_HEADER = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC: Final = 0x377F0682  # or this plus 1, if the words that are summed up are big-endian


@frozen
class WalFrame:
    """One frame: its salt, its two checksums, whether a transaction ends with it, and the bytes that are summed up."""

    salt: tuple[int, int]
    sums: tuple[int, int]
    ends_transaction: bool
    summed: bytes


def problem_with_wal(path: Path) -> str | None:
    """What was synced to the write-ahead log *path* and is lost, in words; None if nothing is, as far as the file
    tells. Raises OSError if it cannot be read.
    """
    data = path.read_bytes()
    if len(data) < _HEADER.size + _FRAME.size:
        return None
    header = _HEADER.unpack_from(data)
    order = ">" if header[0] & 1 else "<"
    sums = _sums(data[: _HEADER.size - 8], (0, 0), order)
    frames = _frames(data, header[2])
    if header[0] & ~1 == _MAGIC and sums == header[6:8]:
        salt = (header[4], header[5])
        bad = _first_bad(frames, salt, sums, order)
    else:
        salt = frames[0].salt if frames else (0, 0)
        bad = 0
    if not _was_synced(frames[bad:], salt):
        return None
    where = "its header is" if bad == 0 and sums != header[6:8] else f"frame {bad + 1} of {len(frames)} is"
    return f"{where} damaged: all that was synced from there on is lost"


def _frames(data: bytes, page_bytes: int) -> list[WalFrame]:
    """The whole frames in *data*; none if the size of a page is none that SQLite knows."""
    if page_bytes not in {1 << power for power in range(9, 17)}:
        page_bytes = 4096
    frames = []
    for at in range(_HEADER.size, len(data) - _FRAME.size - page_bytes + 1, _FRAME.size + page_bytes):
        _, size, *rest = _FRAME.unpack_from(data, at)
        summed = data[at : at + 8] + data[at + _FRAME.size : at + _FRAME.size + page_bytes]
        frames.append(WalFrame((rest[0], rest[1]), (rest[2], rest[3]), size > 0, summed))
    return frames


def _first_bad(frames: Sequence[WalFrame], salt: tuple[int, int], sums: tuple[int, int], order: str) -> int:
    """The position of the first frame that SQLite will not read; the number of frames if it reads them all."""
    for position, frame in enumerate(frames):
        if frame.salt != salt:
            return position
        sums = _sums(frame.summed, sums, order)
        if sums != frame.sums:
            return position
    return len(frames)


def _was_synced(unread: Sequence[WalFrame], salt: tuple[int, int]) -> bool:
    """Whether a transaction ends among the frames that SQLite will not read, and another one follows it."""
    of_this_log = [frame for frame in unread if frame.salt == salt]
    return any(frame.ends_transaction for frame, _ in pairwise(of_this_log))


def _sums(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's checksum of *data*, continued from *start*."""
    one, other = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + other) & 0xFFFFFFFF
        other = (other + odd + one) & 0xFFFFFFFF
    return one, other
