"""What travels in a datagram: a frame, proven to come from a member of the cluster, unchanged.

    offset  size
       0      4   magic "RFRM"
       4      1   format version, 1
       5      1   kind: 1 greeting, 2 message (see `link`)
       6      8   cluster: the first bytes of SHA-256 of its name
      14      8   boot of the sender: which of its lives this is
      22      8   boot of the receiver, as far as the sender knows it; 0 when it does not
      30      8   sequence number, from 1, never used twice in one life
      38      2   fragment: which part of its message this is, from 0
      40      2   fragments: how many parts there are, from 1
      42      1   length of the sender's name, n
      43      1   length of the receiver's name, m
      44      n   sender, UTF-8
    44+n      m   receiver, UTF-8
    44+n+m    p   payload, to the end but for the two checks
      -20     4   CRC-32 of everything before
      -16    16   HMAC-SHA256 of everything before, its first 16 bytes

All numbers are big-endian. The checks come cheapest first: magic, version, cluster and CRC sort out noise, other
programs and other clusters, for the counters; the HMAC alone is what decides. Its key is derived from the cluster's key
*and* the cluster's whole name, so that two clusters that were given the same key still can't read each other. Nothing
behind the first 14 bytes is looked at before the HMAC was found right, in constant time.

What a member sends is believed to be a member's. A member that lies about its name is not caught: one key for all
means that all trust each other. Frames are not encrypted: who listens can read them.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from enum import IntEnum, StrEnum
from typing import Final

from attrs import frozen

from raftframe.comms.keys import ClusterKey
from raftframe.entries import ServerId

MAGIC: Final = b"RFRM"
VERSION: Final = 1
LONGEST_NAME_BYTES: Final = 64
LARGEST_DATAGRAM_BYTES: Final = 65_507  # UDP over IPv4
MOST_FRAGMENTS: Final = 0xFFFF
CHECKS_BYTES: Final = 20

_PREFIX = struct.Struct(">4sBB8s")
_HEADER = struct.Struct(">4sBB8sQQQHHBB")
_CRC = struct.Struct(">I")
_MAC_BYTES: Final = 16
LEAST_FRAME_BYTES: Final = _HEADER.size + CHECKS_BYTES


class Drop(StrEnum):
    """Why something was not sent, or what arrived was not passed on."""

    MALFORMED = "malformed"  # no frame at all, a frame of nonsense, or a message that the codec refuses
    OTHER_VERSION = "other version"
    OTHER_CLUSTER = "other cluster"
    CORRUPTED = "corrupted"  # the CRC is wrong: an accident
    UNAUTHENTICATED = "unauthenticated"  # the HMAC is wrong: not made with the key
    MISDIRECTED = "misdirected"  # to or from another server than it should be
    STRANGER = "stranger"  # no server of that name is known here
    REPLAYED = "replayed"  # its sequence number was seen before, or it is from an earlier life of its sender
    UNACQUAINTED = "unacquainted"  # the two have not greeted each other in these lives
    TOO_LARGE = "too large"
    INCOMPLETE = "incomplete"  # a fragment of a message whose rest did not come in time
    CONGESTED = "congested"  # the operating system's buffer is full
    UNREACHABLE = "unreachable"  # the operating system knows no way there
    STOPPED = "stopped"  # not started, or stopped


class Kind(IntEnum):
    """What a frame's payload is."""

    GREETING = 1
    MESSAGE = 2


@frozen
class Frame:
    """One frame; see the module's docstring for what its attributes mean."""

    kind: Kind
    sender: ServerId
    receiver: ServerId
    boot: int
    receiver_boot: int
    sequence: int
    payload: bytes
    fragment: int = 0
    fragments: int = 1


class FrameFormat:
    """Makes the frames of one cluster, and opens what claims to be one. Stateless, so threads may share it.

    Raises ValueError for a cluster without a name.
    """

    def __init__(self, cluster: str, key: ClusterKey) -> None:
        self._cluster = hashlib.sha256(cluster.encode()).digest()[:8]
        if not cluster:
            raise ValueError("a cluster has a name, so that the frames of another are told apart")
        self._key = key.derived(f"raftframe frames 1 {cluster}")

    def __repr__(self) -> str:
        return f"FrameFormat(cluster {self._cluster.hex()})"

    def seal(self, frame: Frame) -> bytes:
        """The datagram of *frame*."""
        sender, receiver = frame.sender.encode(), frame.receiver.encode()
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            frame.kind,
            self._cluster,
            frame.boot,
            frame.receiver_boot,
            frame.sequence,
            frame.fragment,
            frame.fragments,
            len(sender),
            len(receiver),
        )
        body = b"".join((header, sender, receiver, frame.payload))
        checked = body + _CRC.pack(zlib.crc32(body))
        return checked + hmac.digest(self._key, checked, "sha256")[:_MAC_BYTES]

    def open(self, datagram: bytes) -> Frame | Drop:
        """The frame in *datagram*, or why it is dropped. Never raises, whatever the bytes are."""
        if len(datagram) < LEAST_FRAME_BYTES:
            return Drop.MALFORMED
        magic, version, _, cluster = _PREFIX.unpack_from(datagram)
        if magic != MAGIC:
            return Drop.MALFORMED
        if version != VERSION:
            return Drop.OTHER_VERSION
        if cluster != self._cluster:
            return Drop.OTHER_CLUSTER
        if zlib.crc32(datagram[:-CHECKS_BYTES]) != _CRC.unpack_from(datagram, len(datagram) - CHECKS_BYTES)[0]:
            return Drop.CORRUPTED
        right = hmac.digest(self._key, datagram[:-_MAC_BYTES], "sha256")[:_MAC_BYTES]
        if not hmac.compare_digest(right, datagram[-_MAC_BYTES:]):
            return Drop.UNAUTHENTICATED
        return _frame(datagram)


def overhead_bytes(sender: ServerId, receiver: ServerId) -> int:
    """How much larger than its payload a frame from *sender* to *receiver* is."""
    return LEAST_FRAME_BYTES + len(sender.encode()) + len(receiver.encode())


def _frame(datagram: bytes) -> Frame | Drop:
    """The frame in *datagram*, whose checks are right; that its maker had the key does not make it sound."""
    header = _HEADER.unpack_from(datagram)
    _, _, kind, _, boot, receiver_boot, sequence, fragment, fragments, sender_bytes, receiver_bytes = header
    begin = _HEADER.size + sender_bytes
    end = begin + receiver_bytes
    if end > len(datagram) - CHECKS_BYTES or not (sequence > fragment < fragments) or not boot:
        return Drop.MALFORMED
    try:
        sender, receiver = datagram[_HEADER.size : begin].decode(), datagram[begin:end].decode()
        kind = Kind(kind)
    except ValueError:
        return Drop.MALFORMED
    payload = datagram[end:-CHECKS_BYTES]
    return Frame(kind, sender, receiver, boot, receiver_boot, sequence, payload, fragment, fragments)
