"""Frames, greetings, replays and fragments, without a socket."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from attrs import evolve

from benchmarks.fuzz_wire import fuzz
from raftframe import Command, Entry
from raftframe.comms.frames import Drop, Frame, FrameFormat, Kind
from raftframe.comms.keys import ClusterKey
from raftframe.comms.link import GREETINGS_AT_ONCE, UNFINISHED_S, WINDOW, Arrival, Link, ReplayWindow
from raftframe.comms.wire import Codec
from raftframe.messages import AppendEntries, AppendEntriesResponse, Message, RequestVoteResponse

KEY = ClusterKey(b"sixteen bytes or more")
FRAMES = FrameFormat("bank", KEY)
VOTE = RequestVoteResponse("s1", "s2", 3, granted=True)
LARGE = AppendEntries("s1", "s2", 1, 0, 0, tuple(Entry(1, Command("c", n, "x" * 500)) for n in range(1, 11)), 0)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def link(identity: str, boot: int, *, clock: Clock | None = None, frames: FrameFormat = FRAMES) -> Link:
    """One side of a conversation of s1, s2 and s3, in its life *boot*."""
    return Link(
        identity,
        ("s1", "s2", "s3"),
        frames,
        Codec(),
        datagram_bytes=1_000,
        message_bytes=20_000,
        boot=boot,
        clock_s=clock or Clock(),
    )


def exchange(one: Link, other: Link, datagrams: Iterable[bytes]) -> int:
    """Let *datagrams* of *one* arrive at *other*, and every answer to them; how many datagrams that were."""
    waiting, count = [(other, datagram) for datagram in datagrams], 0
    while waiting:
        receiver, datagram = waiting.pop(0)
        answer = receiver.incoming(datagram).answer
        count += 1
        if answer is not None:
            waiting.append((one if receiver is other else other, answer))
    return count


def acquainted(*, clock: Clock | None = None) -> tuple[Link, Link]:
    """s1 and s2, who have greeted each other."""
    one, other = link("s1", 10, clock=clock), link("s2", 20, clock=clock)
    exchange(one, other, [one.greetings()["s2"]])
    return one, other


def arrivals(receiver: Link, datagrams: Iterable[bytes]) -> list[Arrival]:
    """What becomes of each."""
    return [receiver.incoming(datagram) for datagram in datagrams]


def test_three_greetings_acquaint() -> None:
    """Whoever starts later greets; then both can send."""
    one, other = link("s1", 10), link("s2", 20)

    assert exchange(one, other, [one.greetings()["s2"]]) == 3
    assert (one.knows("s2"), other.knows("s1"), one.knows("s3")) == (True, True, False)
    assert other.incoming(*one.outgoing(VOTE).datagrams) == Arrival(VOTE)


def test_greetings_that_cross_end_too() -> None:
    """Both start at once."""
    one, other = link("s1", 10), link("s2", 20)
    hello, ciao = one.greetings()["s2"], other.greetings()["s1"]

    assert exchange(one, other, [hello]) + exchange(other, one, [ciao]) < 8
    assert one.knows("s2")
    assert other.knows("s1")


def test_a_message_to_one_who_has_not_greeted_is_lost_but_greets() -> None:
    """It could be for another life."""
    one, other = link("s1", 10), link("s2", 20)

    departure = one.outgoing(VOTE)

    assert departure.drop is Drop.UNACQUAINTED
    exchange(one, other, departure.datagrams)
    assert other.incoming(*one.outgoing(VOTE).datagrams).message == VOTE


def test_a_datagram_is_accepted_once() -> None:
    """The second time it is a replay, however it came to be there."""
    one, other = acquainted()
    datagrams = one.outgoing(VOTE).datagrams

    assert arrivals(other, datagrams * 3) == [Arrival(VOTE), Arrival(drop=Drop.REPLAYED), Arrival(drop=Drop.REPLAYED)]


def test_datagrams_may_be_reordered() -> None:
    """Within the window; what is older cannot be told from a replay."""
    one, other = acquainted()
    sent = [*one.outgoing(VOTE).datagrams]
    sent += [datagram for _ in range(WINDOW) for datagram in one.outgoing(VOTE).datagrams]

    latest_first = arrivals(other, reversed(sent))

    assert [arrival.drop for arrival in latest_first] == [None] * WINDOW + [Drop.REPLAYED]


def test_after_a_restart_of_the_receiver_nothing_from_before_is_accepted() -> None:
    """Although it remembers nothing; a greeting later, what is new is."""
    one, other = acquainted()
    before = one.outgoing(VOTE).datagrams
    other = link("s2", 21)

    assert [arrival.drop for arrival in arrivals(other, before)] == [Drop.UNACQUAINTED]
    lost = one.outgoing(VOTE).datagrams
    exchange(one, other, lost)
    assert other.incoming(*one.outgoing(VOTE).datagrams).message == VOTE
    assert other.incoming(*before).drop is Drop.UNACQUAINTED


def test_after_a_restart_of_the_sender_its_earlier_life_is_over() -> None:
    """What it sent then and was held up is a replay."""
    one, other = acquainted()
    before = one.outgoing(VOTE).datagrams
    one = link("s1", 11)
    exchange(one, other, [one.greetings()["s2"]])

    assert other.incoming(*one.outgoing(VOTE).datagrams).message == VOTE
    assert other.incoming(*before).drop is Drop.REPLAYED


def test_a_clock_that_went_back_locks_nobody_out() -> None:
    """A greeting says which later life is known, and the restarted server takes a later one still."""
    _, other = acquainted()
    one = link("s1", 3)

    exchange(one, other, [one.greetings()["s2"]])

    assert one.boot == 11
    exchange(one, other, [one.greetings()["s2"]])
    assert other.incoming(*one.outgoing(VOTE).datagrams).message == VOTE


def test_replays_make_a_server_send_little() -> None:
    """A few greetings a second, whatever is replayed at it; and new acquaintances are still made."""
    clock = Clock()
    one, other = acquainted(clock=clock)
    before = [datagram for _ in range(2000) for datagram in one.outgoing(VOTE).datagrams]
    other = link("s2", 21, clock=clock)

    answers = [arrival.answer for arrival in arrivals(other, before) if arrival.answer]

    assert len(answers) == GREETINGS_AT_ONCE
    clock.now_s += 0.11
    assert sum(arrival.answer is not None for arrival in arrivals(other, before)) == 2
    exchange(other, one, [other.greetings()["s1"]])
    assert other.incoming(*one.outgoing(VOTE).datagrams).message == VOTE


def test_a_large_message_arrives_in_any_order() -> None:
    """Its fragments are put together by number."""
    one, other = acquainted()
    datagrams = one.outgoing(LARGE).datagrams

    assert len(datagrams) > 5
    assert max(map(len, datagrams)) <= 1_000
    messages = [arrival.message for arrival in arrivals(other, reversed(datagrams))]
    assert messages == [None] * (len(datagrams) - 1) + [LARGE]
    assert other.waiting_bytes == 0


def test_fragments_wait_for_a_while_and_for_few_messages() -> None:
    """What never gets whole is given up, and counted."""
    clock = Clock()
    one, other = acquainted(clock=clock)
    for _ in range(50):
        arrivals(other, one.outgoing(LARGE).datagrams[:-1])
    assert 0 < other.waiting_bytes <= 2 * 20_000
    assert other.given_up == 46

    clock.now_s += UNFINISHED_S + 1
    arrivals(other, one.outgoing(LARGE).datagrams[:1])

    assert 0 < other.waiting_bytes <= 1_000
    assert other.given_up == 50


def test_a_message_that_is_too_large_is_not_sent() -> None:
    """Nor put together, if somebody sends it nonetheless."""
    one, other = acquainted()
    entries = tuple(Entry(1, Command("c", number, "x" * 1000)) for number in range(1, 31))

    assert one.outgoing(AppendEntries("s1", "s2", 1, 0, 0, entries, 0)).drop is Drop.TOO_LARGE
    forged = [Frame(Kind.MESSAGE, "s1", "s2", 10, 20, 100 + n, bytes(900), n, 40) for n in range(40)]
    drops = [arrival.drop for arrival in arrivals(other, map(FRAMES.seal, forged))]
    assert Drop.TOO_LARGE in drops
    assert other.waiting_bytes < 20_000


@pytest.mark.parametrize(
    ("message", "drop"),
    [
        (RequestVoteResponse("s1", "s9", 3, granted=True), Drop.STRANGER),
        (RequestVoteResponse("s3", "s2", 3, granted=True), Drop.MISDIRECTED),
        (AppendEntries("s1", "s2", 1, 0, 0, (Entry(1, Command("c", 1, frozenset())),), 0), Drop.MALFORMED),
    ],
)
def test_what_cannot_be_sent(message: Message, drop: Drop) -> None:
    """To nobody, in another's name, or without bytes."""
    one, _ = acquainted()

    assert one.outgoing(message).drop is drop


FRAME = Frame(Kind.MESSAGE, "s1", "s2", 10, 20, 500, Codec().encode_message(VOTE))


@pytest.mark.parametrize(
    ("frame", "drop"),
    [
        (FRAME, None),
        (evolve(FRAME, sender="s9"), Drop.STRANGER),
        (evolve(FRAME, sender="s2"), Drop.STRANGER),
        (evolve(FRAME, receiver="s3"), Drop.MISDIRECTED),
        (evolve(FRAME, sender="s3", boot=30), Drop.MISDIRECTED),
        (evolve(FRAME, boot=0), Drop.MALFORMED),
        (evolve(FRAME, boot=9), Drop.REPLAYED),
        (evolve(FRAME, receiver_boot=19), Drop.UNACQUAINTED),
        (evolve(FRAME, sequence=0), Drop.MALFORMED),
        (evolve(FRAME, fragments=0), Drop.MALFORMED),
        (evolve(FRAME, fragment=2, fragments=2), Drop.MALFORMED),
        (evolve(FRAME, sequence=1, fragment=1, fragments=2), Drop.MALFORMED),
        (evolve(FRAME, kind=7), Drop.MALFORMED),
        (evolve(FRAME, kind=Kind.GREETING, payload=b"short"), Drop.MALFORMED),
        (evolve(FRAME, payload=b""), Drop.MALFORMED),
        (evolve(FRAME, payload=Codec().encode_message(evolve(VOTE, target="s3"))), Drop.MISDIRECTED),
        (
            evolve(FRAME, payload=Codec().encode_message(AppendEntriesResponse("s3", "s2", 1, True, 1))),
            Drop.MISDIRECTED,
        ),
    ],
)
def test_what_a_member_may_not_send(frame: Frame, drop: Drop | None) -> None:
    """The key alone does not make a frame sound."""
    _, other = acquainted()

    assert other.incoming(FRAMES.seal(frame)).drop is drop


@pytest.mark.parametrize(
    ("frames", "drop"),
    [
        (FrameFormat("bank", ClusterKey(b"another key of that size")), Drop.UNAUTHENTICATED),
        (FrameFormat("shop", KEY), Drop.OTHER_CLUSTER),
    ],
)
def test_other_keys_and_clusters(frames: FrameFormat, drop: Drop) -> None:
    """Each is told apart, for the counters."""
    _, other = acquainted()

    assert other.incoming(frames.seal(FRAME)).drop is drop


def test_every_changed_bit_is_noticed() -> None:
    """Wherever in the datagram it is."""
    _, other = acquainted()
    datagram = FRAMES.seal(FRAME)

    for bit in range(8 * len(datagram)):
        changed = bytearray(datagram)
        changed[bit // 8] ^= 1 << bit % 8
        arrival = other.incoming(bytes(changed))
        assert arrival.message is None
        assert arrival.drop is not None
    assert other.incoming(datagram).message == VOTE


def test_the_bytes_of_a_frame_are_pinned() -> None:
    """A change of them is a change of the version."""
    sealed = FRAMES.seal(evolve(FRAME, payload=b"payload"))

    assert sealed[:14].hex() == "5246524d0102" + FRAMES._cluster.hex()
    assert sealed[14:-20].hex() == (
        "000000000000000a000000000000001400000000000001f4000000010202" + b"s1s2payload".hex()
    )


def test_a_window_is_a_set_of_what_was_seen() -> None:
    """The slow twin: a set, with the window's edge."""
    window, seen, highest = ReplayWindow(), set[int](), 0
    numbers = [(n * 7919) % 3000 + 1 + n // 4 for n in range(12_000)]

    for number in numbers:
        new = number not in seen and number > highest - WINDOW
        assert window.accept(number) == new
        seen.add(number)
        highest = max(highest, number)


def test_two_hundred_thousand_wrong_datagrams() -> None:
    """The short form of `benchmarks/fuzz_wire.py`."""
    tally = fuzz(200_000, seed=4)

    assert sum(tally.outcomes.values()) == 200_000
    assert {"received", "kept", Drop.MALFORMED, Drop.CORRUPTED, Drop.UNAUTHENTICATED} <= set(tally.outcomes)


def test_a_link_and_its_frames_tell_nothing() -> None:
    """No `repr` has the key in it."""
    for thing in (KEY, FRAMES, link("s1", 1)):
        assert "sixteen" not in f"{thing} {thing!r}"
        assert KEY.derived("raftframe frames 1 bank").hex() not in f"{thing!r}"
