"""The network in memory: order, links, standing orders, and somebody who interferes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import pytest

from raftframe.api.comms import CommsAPI
from raftframe.comms.memory import (
    PASS,
    Decision,
    Delay,
    Duplicate,
    InterceptorAPI,
    MemoryComms,
    MemoryNetwork,
    MessagePattern,
    Moment,
    Verdict,
)
from raftframe.entries import ServerId
from raftframe.messages import AppendEntriesResponse, Message, RequestVote
from raftframe.timers import ManualClock
from tests.contract.comms_contract import EXAMPLES, CommsContract, Inbox

from .support import eventually


class TestMemoryComms(CommsContract):
    """They keep the contract, with one liberty: messages come on the sender's thread."""

    def make_comms(self, servers: Sequence[ServerId]) -> Mapping[ServerId, CommsAPI]:
        """All of one network."""
        network = MemoryNetwork()
        return {server: network.comms(server) for server in servers}

    def test_messages_come_on_a_thread_of_the_comms(
        self, comms: Mapping[ServerId, CommsAPI], inboxes: Mapping[ServerId, Inbox]
    ) -> None:
        """Here it is the sender's: a receiver only queues what it gets."""
        comms["s1"].send(EXAMPLES[0])

        assert inboxes["s2"].threads == {threading.get_ident()}

    def test_sending_returns_at_once(self, comms: Mapping[ServerId, CommsAPI]) -> None:
        """When it returns, the message is there."""
        received: list[Message] = []
        comms["s2"].start(received.append)
        for example in EXAMPLES:
            comms["s1"].send(example)

        assert received == list(EXAMPLES)


def message(number: int, source: ServerId = "s1", target: ServerId = "s2") -> Message:
    """One of many that can be told apart."""
    return AppendEntriesResponse(source, target, 1, success=True, index=number)


class Net:
    """A network with two started servers, and what they received."""

    def __init__(self, interceptor: InterceptorAPI | None = None) -> None:
        self.clock = ManualClock()
        self.network = MemoryNetwork(interceptor, clock=self.clock)
        self.received: dict[ServerId, list[Message]] = {"s1": [], "s2": []}
        self.comms: dict[ServerId, MemoryComms] = {}
        for name, box in self.received.items():
            self.comms[name] = self.network.comms(name)
            self.comms[name].start(box.append)

    def send(self, *numbers: int, source: ServerId = "s1", target: ServerId = "s2") -> None:
        """Send one message for each number."""
        for number in numbers:
            self.comms[source].send(message(number, source, target))

    def numbers(self, server: ServerId = "s2") -> list[int]:
        """What arrived at *server*."""
        return [m.index for m in self.received[server] if isinstance(m, AppendEntriesResponse)]


class Deciding:
    """An interceptor that decides by a function of moment and number, and remembers what it saw."""

    def __init__(self, decide: Callable[[Moment, int], Decision]) -> None:
        self.decide = decide
        self.seen: list[tuple[Moment, int]] = []

    def intercept(self, moment: Moment, message: Message) -> Decision:
        assert isinstance(message, AppendEntriesResponse)
        self.seen.append((moment, message.index))
        return self.decide(moment, message.index)


def at(moment: Moment, number: int, decision: Decision) -> Deciding:
    """Decides so about one message at one moment, once; passes everything else."""
    decided: list[bool] = []

    def decide(seen: Moment, seen_number: int) -> Decision:
        if (seen, seen_number) == (moment, number) and not decided:
            decided.append(True)
            return decision
        return PASS

    return Deciding(decide)


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_cut_link_loses_messages_one_way_or_both() -> None:
    """What was lost stays lost after healing."""
    net = Net()
    net.network.cut("s1", "s2", both_ways=False)
    net.send(1)
    net.send(2, source="s2", target="s1")
    net.network.cut("s1", "s2")
    net.send(3, source="s2", target="s1")
    net.network.heal()
    net.send(4)

    assert net.numbers("s2") == [4]
    assert net.numbers("s1") == [2]
    assert net.network.counters().dropped == 2
    assert not net.network.cut_links


def test_a_partition_cuts_between_its_sides_only() -> None:
    """All pairs across, none within."""
    network = MemoryNetwork()
    network.partition(["a", "b"], ["c"])

    assert network.cut_links == {("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")}


def test_a_stalled_server_gets_everything_later_in_order() -> None:
    """What waited comes before what is sent afterwards."""
    net = Net()
    net.network.stall("s2")
    net.send(1, 2)
    assert net.numbers() == []
    assert len(net.network.wire("s2")) == 2

    net.network.unstall("s2")
    net.send(3)
    assert net.numbers() == [1, 2, 3]
    assert net.network.wire() == ()


def test_flushing_needs_no_new_message() -> None:
    """What waits arrives."""
    net = Net()
    net.network.stall("s2")
    net.send(1)
    net.network.flush("s2")
    assert net.numbers() == []
    net.network.unstall("s2")
    net.network.flush("s2")

    assert net.numbers() == [1]


# --- what can be done on the wire ------------------------------------------------------------------------------------


def test_a_hold_keeps_what_matches_until_it_is_released() -> None:
    """Others overtake."""
    net = Net()
    net.network.hold("even", lambda m: isinstance(m, AppendEntriesResponse) and m.index % 2 == 0)
    net.send(1, 2, 3, 4)
    assert net.numbers() == [1, 3]

    net.network.release("even")
    assert net.numbers() == [1, 3, 2, 4]
    with pytest.raises(KeyError):
        net.network.release("even")


def test_messages_on_the_wire_can_be_delivered_dropped_and_doubled() -> None:
    """One by one, in any order, and only once."""
    net = Net()
    net.network.hold("all", lambda _: True)
    net.send(1, 2, 3)
    first, second, third = net.network.wire()
    copy = net.network.duplicate(third)

    assert net.network.deliver(third)
    assert not net.network.deliver(third)
    assert net.network.drop(first)
    assert not net.network.drop(first)
    assert net.network.wire() == (second, copy)
    net.network.release("all")

    assert net.numbers() == [3, 2, 3]
    counters = net.network.counters()
    assert (counters.sent, counters.dropped, counters.duplicated, counters.arrived) == (3, 1, 1, 3)


def test_what_is_on_the_wire_can_change_its_order() -> None:
    """Those named come first, as they are named."""
    net = Net()
    net.network.stall("s2")
    net.send(1, 2, 3)
    one, _, three = net.network.wire("s2")
    net.network.reorder("s2", [three, one])
    net.network.unstall("s2")
    net.network.flush("s2")
    with pytest.raises(ValueError, match="not all of these 1 messages are on the wire to s2"):
        net.network.reorder("s2", [one])

    assert net.numbers() == [3, 1, 2]


def test_a_delayed_message_comes_when_its_time_has_come() -> None:
    """By the network's clock."""
    net = Net()
    net.network.hold("all", lambda _: True)
    net.send(1)
    (envelope,) = net.network.wire()
    net.network.delay(envelope, 2.0)
    net.network.release("all")
    net.send(2)
    assert net.numbers() == [2]

    net.clock.advance(2.0)
    assert eventually(lambda: net.numbers() == [2, 1])
    net.network.close()
    net.network.close()


# --- somebody who interferes -----------------------------------------------------------------------------------------


def test_an_interceptor_sees_the_whole_way() -> None:
    """Sending and receiving, before and after, in this order."""
    watching = Deciding(lambda moment, number: PASS)
    Net(watching).send(7)

    assert watching.seen == [
        (Moment.BEFORE_SENDING, 7),
        (Moment.AFTER_SENDING, 7),
        (Moment.BEFORE_RECEIVING, 7),
        (Moment.AFTER_RECEIVING, 7),
    ]


@pytest.mark.parametrize("moment", [Moment.BEFORE_SENDING, Moment.BEFORE_RECEIVING])
def test_an_interceptor_may_drop_hold_delay_and_double(moment: Moment) -> None:
    """Before the message leaves, and before it arrives."""
    dropped = Net(at(moment, 2, Verdict.DROP))
    dropped.send(1, 2, 3)
    assert dropped.numbers() == [1, 3]

    held = Net(at(moment, 2, Verdict.HOLD))
    held.send(1, 2, 3)
    assert held.numbers() == [1, 3]
    assert held.network.deliver(held.network.wire()[0])
    assert held.numbers() == [1, 3, 2]

    doubled = Net(at(moment, 2, Duplicate(2)))
    doubled.send(1, 2, 3)
    assert doubled.numbers() == [1, 2, 2, 2, 3]

    delayed = Net(at(moment, 2, Delay(1.0)))
    delayed.send(1, 2, 3)
    assert delayed.numbers() == [1, 3]
    delayed.clock.advance(1.0)
    assert eventually(lambda: delayed.numbers() == [1, 3, 2])
    delayed.network.close()


def test_an_interceptor_that_raises_blocks_nobody() -> None:
    """Whoever sends gets the exception; the next message comes through."""

    def decide(moment: Moment, number: int) -> Decision:
        if moment is Moment.BEFORE_RECEIVING and net.network.counters().arrived == 0 and number == 1:
            raise ZeroDivisionError
        return PASS

    net = Net(Deciding(decide))
    with pytest.raises(ZeroDivisionError):
        net.send(1)
    net.network.set_interceptor(None)
    net.send(2)

    assert net.numbers() == [1, 2]


def test_messages_of_many_threads_come_once_each_and_in_order() -> None:
    """While the target is stalled and reached again, over and over: nothing lost, doubled, or overtaken."""
    net, each, over = Net(), 2000, threading.Event()

    def send(sender: int) -> None:
        for number in range(each):
            net.send(sender * each + number)

    def disturb() -> None:
        while not over.is_set():
            net.network.stall("s2")
            net.network.unstall("s2")
            net.network.flush("s2")

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(3)]
    disturbing = threading.Thread(target=disturb)
    for thread in [*threads, disturbing]:
        thread.start()
    for thread in threads:
        thread.join()
    over.set()
    disturbing.join()
    net.network.flush("s2")

    arrived = net.numbers()
    assert sorted(arrived) == list(range(3 * each))
    for sender in range(3):
        mine = [number for number in arrived if number // each == sender]
        assert mine == sorted(mine)


def test_what_was_sent_back_waits_on_the_wire() -> None:
    """A server that is not to handle what has arrived puts it there."""
    net = Net()
    net.network.put_back(message(1), Verdict.HOLD)
    net.network.put_back(message(2), Verdict.DROP)

    assert [envelope.message for envelope in net.network.wire("s2")] == [message(1)]


def test_a_pattern_says_which_messages_are_meant() -> None:
    """Type, ends, and a condition of one's own; nothing said is nothing restricted."""
    vote = RequestVote("s1", "s2", 1, 0, 0)

    assert MessagePattern()(vote)
    assert MessagePattern(RequestVote, source="s1", target="s2", where=lambda m: m.term == 1)(vote)
    assert not MessagePattern(AppendEntriesResponse)(vote)
    assert not MessagePattern(source="s2")(vote)
    assert not MessagePattern(target="s1")(vote)
    assert not MessagePattern(where=lambda m: m.term == 2)(vote)
    assert str(MessagePattern(RequestVote, "s1", "s2")) == "RequestVote from s1 to s2"
    assert str(MessagePattern()) == "any message"
