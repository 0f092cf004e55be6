"""Bytes between a client and a server that only holders of the cluster's key can make. No sockets, no threads.

    server  ── hello   magic, version, cluster, the server's nonce ───────────────────────▶  client
    client  ── proof   magic, version, cluster, the client's nonce, HMAC of both nonces ──▶  server
    then, both ways:   records of length (4 bytes), payload, HMAC (16 bytes) over number and payload

The client may send its first record right behind its proof. Each direction has a key of its own, derived from the
cluster's key, the cluster's whole name and both nonces, and its records are numbered from 0. So nothing that was
recorded can be played again, on this connection or on another, in this direction or the other, nor left out, nor
reordered: the HMAC would be wrong, and the first one that is wrong ends the stream.

Before the proof a server believes nothing and keeps at most `PROOF_BYTES`. The bytes are not encrypted: who listens can
read them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
from abc import ABC, abstractmethod
from typing import Final

from raftframe.comms.keys import ClusterKey

MAGIC: Final = b"RFCL"
VERSION: Final = 1
NONCE_BYTES: Final = 16
MAC_BYTES: Final = 16
LARGEST_PAYLOAD_BYTES: Final = (1 << 20) + 4096  # the largest operation of `wire.Codec`, and what goes around it

_HELLO = struct.Struct(f">4sB8s{NONCE_BYTES}s")
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")
HELLO_BYTES: Final = _HELLO.size
PROOF_BYTES: Final = _HELLO.size + MAC_BYTES


class StreamError(Exception):
    """The other side is none that we talk to, or not any more. The message says what it did."""


class Credentials:
    """What a member knows: the cluster's name and key. Neither shows in `repr`."""

    def __init__(self, cluster: str, key: ClusterKey) -> None:
        self._cluster = hashlib.sha256(cluster.encode()).digest()[:8]
        if not cluster:
            raise ValueError("a cluster has a name, so that the clients of another are told apart")
        self._key = key.derived(f"raftframe clients 1 {cluster}")

    def __repr__(self) -> str:
        return f"Credentials(cluster {self._cluster.hex()})"

    def opening(self, nonce: bytes) -> bytes:
        """The part that hello and proof have in common."""
        return _HELLO.pack(MAGIC, VERSION, self._cluster, nonce)

    def nonce_of(self, opening: bytes) -> bytes:
        """The nonce in *opening*. Raises StreamError if it is of another protocol, version or cluster."""
        magic, version, cluster, nonce = _HELLO.unpack(opening)
        if magic != MAGIC:
            raise StreamError("it does not speak the protocol of raftframe's clients")
        if version != VERSION:
            raise StreamError(f"it speaks version {version} of the protocol, not {VERSION}")
        if cluster != self._cluster:
            raise StreamError("it belongs to another cluster")
        return bytes(nonce)

    def mac(self, purpose: bytes, nonces: bytes) -> bytes:
        """32 bytes that only a member can make."""
        return hmac.digest(self._key, purpose + nonces, "sha256")


class Stream(ABC):
    """One side of one connection. Feed it what arrives; after a StreamError it is of no use any more."""

    def __init__(self, credentials: Credentials, largest_bytes: int = LARGEST_PAYLOAD_BYTES) -> None:
        self._credentials = credentials
        self._largest = largest_bytes
        self._nonce = secrets.token_bytes(NONCE_BYTES)
        self._arrived = bytearray()
        self._out_key = self._in_key = b""
        self._sent = self._received = 0

    @property
    def acquainted(self) -> bool:
        """Whether records can be sealed."""
        return bool(self._out_key)

    def feed(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """What to send back at once, and the payloads that *data* completes. Raises StreamError."""
        self._arrived += data
        reply = b""
        if not self.acquainted:
            reply = self._greeted()
        payloads: list[bytes] = []
        while self.acquainted and (payload := self._next()) is not None:
            payloads.append(payload)
        return reply, payloads

    def seal(self, payload: bytes) -> bytes:
        """The record of *payload*, which is to be sent in the order of sealing. Raises StreamError if it is too
        large.
        """
        if len(payload) > self._largest:
            raise StreamError(f"a record has at most {self._largest} bytes, not {len(payload)}")
        mac = hmac.digest(self._out_key, _NUMBER.pack(self._sent) + payload, "sha256")[:MAC_BYTES]
        self._sent += 1
        return _LENGTH.pack(len(payload)) + payload + mac

    @abstractmethod
    def _greeted(self) -> bytes:
        """Take hello or proof out of what has arrived, if it is whole; what to answer."""

    def _agree(self, server_nonce: bytes, client_nonce: bytes, *, out: bytes, into: bytes) -> None:
        nonces = server_nonce + client_nonce
        self._out_key = self._credentials.mac(out, nonces)
        self._in_key = self._credentials.mac(into, nonces)

    def _cut(self, size: int) -> bytes:
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        return taken

    def _next(self) -> bytes | None:
        """The payload of the next record, if it is whole."""
        if len(self._arrived) < _LENGTH.size:
            return None
        size: int = _LENGTH.unpack_from(self._arrived)[0]
        if size > self._largest:
            raise StreamError(f"it sent a record of {size} bytes, {self._largest} are allowed")
        end = _LENGTH.size + size
        if len(self._arrived) < end + MAC_BYTES:
            return None
        record = self._cut(end + MAC_BYTES)
        payload = record[_LENGTH.size : end]
        right = hmac.digest(self._in_key, _NUMBER.pack(self._received) + payload, "sha256")[:MAC_BYTES]
        if not hmac.compare_digest(right, record[end:]):
            raise StreamError("it sent a record that was not made with the cluster's key")
        self._received += 1
        return payload


class ServerStream(Stream):
    """A server's side."""

    def hello(self) -> bytes:
        """What to send first."""
        return self._credentials.opening(self._nonce)

    def _greeted(self) -> bytes:
        if len(self._arrived) >= HELLO_BYTES:
            self._credentials.nonce_of(bytes(self._arrived[:HELLO_BYTES]))  # the cheap checks, as soon as can be
        if len(self._arrived) < PROOF_BYTES:
            return b""
        proof = self._cut(PROOF_BYTES)
        client_nonce = self._credentials.nonce_of(proof[:HELLO_BYTES])
        right = self._credentials.mac(b"proof", self._nonce + client_nonce)[:MAC_BYTES]
        if not hmac.compare_digest(right, proof[HELLO_BYTES:]):
            raise StreamError("it does not know the cluster's key")
        self._agree(self._nonce, client_nonce, out=b"to client", into=b"to server")
        return b""


class ClientStream(Stream):
    """A client's side."""

    def _greeted(self) -> bytes:
        if len(self._arrived) < HELLO_BYTES:
            return b""
        server_nonce = self._credentials.nonce_of(self._cut(HELLO_BYTES))
        proof = self._credentials.mac(b"proof", server_nonce + self._nonce)[:MAC_BYTES]
        self._agree(server_nonce, self._nonce, out=b"to server", into=b"to client")
        return self._credentials.opening(self._nonce) + proof
