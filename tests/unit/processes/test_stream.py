"""Streams between clients and servers: only members get through, and nothing gets through twice."""

from __future__ import annotations

import random

import pytest

from raftframe.client.stream import (
    HELLO_BYTES,
    LARGEST_PAYLOAD_BYTES,
    PROOF_BYTES,
    ClientStream,
    Credentials,
    ServerStream,
    StreamError,
)
from raftframe.comms.keys import ClusterKey

KEY = ClusterKey(bytes(range(32)))
MEMBER = Credentials("bank", KEY)


def acquainted(theirs: Credentials = MEMBER) -> tuple[ClientStream, ServerStream]:
    """A client with the credentials *theirs*, and a member as its server, after hello and proof."""
    client, server = ClientStream(theirs), ServerStream(MEMBER)
    proof, _ = client.feed(server.hello())
    assert server.feed(proof) == (b"", [])
    return client, server


def test_what_is_sealed_comes_out() -> None:
    """In order, in both directions, however the bytes are cut."""
    client, server = acquainted()
    sent = [b"", b"one", b"x" * 70_000]
    data = b"".join(client.seal(payload) for payload in sent)

    received = [payload for start in range(0, len(data), 7) for payload in server.feed(data[start : start + 7])[1]]

    assert received == sent
    assert client.feed(server.seal(b"back"))[1] == [b"back"]


def test_the_first_record_may_follow_the_proof() -> None:
    """A client need not wait for an answer to its proof."""
    client, server = ClientStream(MEMBER), ServerStream(MEMBER)

    proof, _ = client.feed(server.hello())

    assert server.feed(proof + client.seal(b"hasty"))[1] == [b"hasty"]


@pytest.mark.parametrize("stranger", [Credentials("bank", ClusterKey(bytes(range(1, 33)))), Credentials("shop", KEY)])
def test_strangers_are_refused(stranger: Credentials) -> None:
    """Neither the key alone nor the name alone is enough."""
    with pytest.raises(StreamError, match=r"key|another cluster"):
        acquainted(stranger)


def test_a_proof_is_good_for_one_connection() -> None:
    """Recorded and played to another connection, it is refused."""
    client, first, second = ClientStream(MEMBER), ServerStream(MEMBER), ServerStream(MEMBER)
    proof, _ = client.feed(first.hello())
    first.feed(proof)

    with pytest.raises(StreamError, match="key"):
        second.feed(proof)


def test_records_are_not_repeated_reflected_or_left_out() -> None:
    """The number and the direction are part of what is authenticated."""
    client, server = acquainted()
    first, second = client.seal(b"1"), client.seal(b"2")

    with pytest.raises(StreamError, match="key"):
        acquainted()[1].feed(first)
    with pytest.raises(StreamError, match="key"):
        client.feed(first)
    server.feed(first)
    with pytest.raises(StreamError, match="key"):
        server.feed(first)
    client, server = acquainted()
    _, second = client.seal(b"1"), client.seal(b"2")
    with pytest.raises(StreamError, match="key"):
        server.feed(second)


def test_records_have_a_largest_size() -> None:
    """A length beyond it is refused before its bytes are waited for."""
    client, server = acquainted()

    with pytest.raises(StreamError, match="at most"):
        client.seal(bytes(LARGEST_PAYLOAD_BYTES + 1))
    with pytest.raises(StreamError, match="allowed"):
        server.feed((1 << 31).to_bytes(4, "big"))


def test_noise_is_refused_with_a_stream_error() -> None:
    """Whatever arrives, nothing else is raised, and an unproven peer makes a server keep little."""
    noise = random.Random(7)
    for _ in range(500):
        server = ServerStream(MEMBER)
        with pytest.raises(StreamError):
            server.feed(noise.randbytes(noise.randint(PROOF_BYTES, 300)))
        client = ClientStream(MEMBER)
        with pytest.raises(StreamError):
            client.feed(noise.randbytes(noise.randint(HELLO_BYTES, 300)))


def test_changed_bits_are_refused() -> None:
    """One bit anywhere in proof or record ends the stream, or leaves it waiting, but nothing comes out."""
    noise = random.Random(8)
    for _ in range(300):
        client, server = ClientStream(MEMBER), ServerStream(MEMBER)
        proof, _ = client.feed(server.hello())
        data = bytearray(proof + client.seal(b"credit 10"))
        at = noise.randrange(len(data))
        data[at] ^= 1 << noise.randrange(8)
        try:
            _, payloads = server.feed(bytes(data))
        except StreamError:
            continue
        assert payloads == []


def test_keys_do_not_show() -> None:
    """Neither in `repr` nor in `str`."""
    assert KEY.derived("x").hex() not in repr(MEMBER)
    assert bytes(range(32)).hex() not in f"{MEMBER!r} {vars(MEMBER).keys()}"
