"""The client against ports in this process, whose servers do what each test tells them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from bank_app.app import Balance, Credit, Query
from bank_app.client import is_repeatable
from bank_app.wire import BANK_CODEC
from raftframe.client import Client, ClientPort, RequestError
from raftframe.client.requests import Standing, StatusAsked, request_bytes, request_from, response_from
from raftframe.clusters.addresses import free_addresses
from raftframe.comms.keys import ClusterKey
from raftframe.effects import Done, Expired, Outcome, Redirected, Refused, Unknown
from raftframe.entries import Command
from raftframe.server import Counters, Phase, ServerStatus
from raftframe.server_state import Role

KEY = ClusterKey(bytes(range(32)))


class Scripted:
    """A server that answers what *script* gives for each command; None: never."""

    def __init__(self, name: str, script: Callable[[Command], Outcome | None]) -> None:
        self.name, self.script = name, script
        self.phase = Phase.RUNNING
        self.asked: list[Command] = []

    def ask(self, command: Command, told: Callable[[Outcome], None]) -> None:
        """Note the command, and answer."""
        self.asked.append(command)
        outcome = self.script(command)
        if outcome is not None:
            told(outcome)

    def status(self) -> ServerStatus:
        """A follower."""
        counters = Counters(0, 0, 0, 0, 0, 0, 0, 0)
        return ServerStatus(self.name, self.phase, "", Role.FOLLOWER, 3, None, 1, 1, 2, counters)


class Stage:
    """Servers s1, s2, ... behind real ports, and clients of them."""

    def __init__(self) -> None:
        self.ends = ExitStack()
        self.addresses = free_addresses(["s1", "s2", "s3"])
        self.servers: dict[str, Scripted] = {}
        self.ports: dict[str, ClientPort] = {}

    def serve(self, name: str, script: Callable[[Command], Outcome | None]) -> Scripted:
        """A server *name* that runs."""
        server = self.servers[name] = Scripted(name, script)
        port = self.ports[name] = ClientPort(server, self.addresses[name], cluster="bank", key=KEY, codec=BANK_CODEC)
        self.ends.callback(port.stop)
        port.start()
        return server

    def client(
        self,
        *,
        key: ClusterKey = KEY,
        repeatable: Callable[[object], bool] = lambda _: False,
        opening: Query | None = None,
    ) -> Client:
        """A client that knows s1, s2 and s3."""
        client = Client(
            self.addresses, cluster="bank", key=key, codec=BANK_CODEC, repeatable=repeatable, opening=opening
        )
        self.ends.callback(client.close)
        return client


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage, cleared at the end."""
    made = Stage()
    with made.ends:
        yield made


def always(outcome: Outcome | None) -> Callable[[Command], Outcome | None]:
    """The script of a server that always says the same."""
    return lambda _: outcome


def test_a_redirect_is_followed_and_remembered(stage: Stage) -> None:
    """The second command goes straight to the leader."""
    first = stage.serve("s1", always(Redirected("s3")))
    leader = stage.serve("s3", always(Done(Balance(7))))
    client = stage.client()

    assert [client.ask(Credit(7)), client.ask(Query())] == [Done(Balance(7))] * 2

    assert (len(first.asked), len(leader.asked), client.leader) == (1, 2, "s3")
    assert [command.serial for command in leader.asked] == [1, 2]


def test_servers_that_are_down_or_know_nobody_are_passed_over(stage: Stage) -> None:
    """s1 is down, s2 knows no leader at first, s3 leads."""
    stage.serve("s2", always(Redirected(None)))
    stage.serve("s3", always(Done(Balance(1))))

    assert stage.client().ask(Credit(1)) == Done(Balance(1))


def test_a_server_that_is_stopping_is_passed_over(stage: Stage) -> None:
    """It refuses the command because of itself, so another may take it; the same name is used again."""
    stopping = stage.serve("s1", always(Refused("s1 stopped before it took the command")))
    stopping.phase = Phase.STOPPED
    other = stage.serve("s2", always(Done(Balance(1))))

    assert stage.client().ask(Credit(1)) == Done(Balance(1))

    assert other.asked == stopping.asked


def test_what_the_application_refuses_is_not_asked_again(stage: Stage) -> None:
    """A refusal of a running server is the last word."""
    first = stage.serve("s1", always(Refused("an amount is more than zero")))
    other = stage.serve("s2", always(Done(Balance(1))))

    assert stage.client().ask(Credit(1)) == Refused("an amount is more than zero")

    assert (len(first.asked), other.asked) == (1, [])


def test_without_a_leader_nothing_was_done(stage: Stage) -> None:
    """The refusal says what was tried."""
    stage.serve("s2", always(Redirected(None)))

    outcome = stage.client().ask(Credit(1), timeout_s=0.3)

    assert isinstance(outcome, Refused)
    assert "no leader was found" in outcome.reason
    assert "s1: Connection refused" in outcome.reason
    assert "s2: knows of no leader" in outcome.reason


def test_no_answer_is_unknown_and_never_repeated(stage: Stage) -> None:
    """The command was handed over, so it may take effect: no other server is asked."""
    silent = stage.serve("s1", always(None))
    other = stage.serve("s2", always(Done(Balance(1))))

    assert stage.client().ask(Credit(1), timeout_s=0.3) == Unknown()

    assert (len(silent.asked), other.asked) == (1, [])


def test_a_lost_connection_is_unknown(stage: Stage) -> None:
    """As above, when the server dies instead of being silent."""

    def die(command: Command) -> None:
        stage.ports["s1"]._running = False  # the port's thread, on which this runs, ends and closes everything

    stage.serve("s1", die)
    other = stage.serve("s2", always(Done(Balance(1))))

    assert stage.client().ask(Credit(1)) == Unknown()

    assert other.asked == []


def test_a_query_may_be_repeated(stage: Stage) -> None:
    """It changes nothing, so the client goes on after an office was lost."""
    first = stage.serve("s1", always(Unknown()))
    other = stage.serve("s2", always(Done(Balance(1))))
    client = stage.client(repeatable=is_repeatable)

    assert client.ask(Query()) == Done(Balance(1))
    assert client.ask(Credit(1)) == Done(Balance(1))

    assert (len(first.asked), len(other.asked)) == (1, 2)


def test_a_refusal_after_a_lost_attempt_is_unknown(stage: Stage) -> None:
    """What became of the first attempt, the second server cannot know."""
    stage.serve("s1", always(Unknown()))
    stage.serve("s2", always(Refused("no")))

    assert stage.client(repeatable=lambda _: True).ask(Credit(1)) == Unknown()


def test_a_server_that_was_restarted_is_asked_on_a_new_connection(stage: Stage) -> None:
    """A connection that its server has closed is noticed before a command is risked on it."""
    stage.serve("s1", always(Done(Balance(1))))
    client = stage.client()
    client.ask(Credit(1))
    stage.ports["s1"].stop()
    stage.serve("s1", always(Done(Balance(2))))

    assert client.ask(Credit(1)) == Done(Balance(2))


def test_a_client_without_the_key_gets_nowhere(stage: Stage) -> None:
    """The server never sees its command; the client never sees more than a hello."""
    server = stage.serve("s1", always(Done(Balance(1))))
    stranger = stage.client(key=ClusterKey(bytes(range(1, 33))))

    outcome = stranger.ask(Credit(1), timeout_s=0.5)

    assert not isinstance(outcome, Done)
    assert server.asked == []
    assert stage.ports["s1"].stats().turned_away >= 1


def test_a_flood_of_strangers_keeps_nobody_out(stage: Stage) -> None:
    """Who connects and says nothing is turned away for the next; members still get in."""
    stage.serve("s1", always(Done(Balance(1))))
    with ExitStack() as flood:
        for _ in range(100):
            flood.enter_context(socket.create_connection(stage.addresses["s1"], timeout=1))

        assert stage.client().ask(Credit(1)) == Done(Balance(1))

    assert stage.ports["s1"].stats().turned_away >= 36


def test_status_is_told(stage: Stage) -> None:
    """To whoever asks; nobody answers for a server that is down."""
    stage.serve("s2", always(None))
    client = stage.client()

    assert client.status("s2") == Standing("s2", "running", "follower", 3, None, 1, 1, 2)
    assert client.status("s1") is None
    with pytest.raises(KeyError):
        client.status("s9")


def test_operations_without_bytes_are_the_callers_mistake(stage: Stage) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(RequestError, match="neither a plain value nor"):
        stage.client().ask(frozenset({1}))


@pytest.mark.parametrize(
    "value", [(), ("ask",), ("ask", "c", 0, Query()), ("ask", "c" * 200, 1, Query()), ("ask", 5, 1, Query()), "ask", 7]
)
def test_what_is_no_request_is_refused(value: object) -> None:
    """With a RequestError, whatever it is."""
    with pytest.raises(RequestError):
        request_from(BANK_CODEC.encode_value(value), BANK_CODEC)  # type: ignore[arg-type]
    with pytest.raises(RequestError):
        response_from(BANK_CODEC.encode_value(value), BANK_CODEC)  # type: ignore[arg-type]
    with pytest.raises(RequestError):
        request_from(b"\xc1", BANK_CODEC)


def test_requests_survive_the_way() -> None:
    """As bytes and back."""
    for request in (StatusAsked(), Command("c", 1, Credit(3))):
        assert request_from(request_bytes(request, BANK_CODEC), BANK_CODEC) == request


class AnswersMeanwhile:
    """A socket between the port and its waker; *meanwhile* happens once, right before the bytes are read."""

    def __init__(self, real: socket.socket, meanwhile: Callable[[], None]) -> None:
        self.real, self.meanwhile = real, meanwhile

    def recv(self, size: int) -> bytes:
        """The bytes, those that *meanwhile* causes included."""
        self.meanwhile()
        return self.real.recv(size)

    def close(self) -> None:
        """Close."""
        self.real.close()


def test_an_answer_that_comes_while_the_port_reads_its_waker_is_not_left_behind(stage: Stage) -> None:
    """The byte for it is read with the earlier ones; a later answer must be able to wake the port again."""
    server = Scripted("s1", always(None))
    port = ClientPort(server, stage.addresses["s1"], cluster="bank", key=KEY, codec=BANK_CODEC)
    stage.ends.callback(port.stop)
    port._wake()
    port._woken = AnswersMeanwhile(port._woken, port._wake)  # type: ignore[assignment]

    port._drain_waker()
    port._wake()

    assert port._woken.real.recv(10)  # type: ignore[attr-defined]


def test_with_a_session_a_credit_is_sent_again_under_its_own_name(stage: Stage) -> None:
    """s1 takes the credit and loses its office; s2 is asked for the very same command."""
    first = stage.serve("s1", lambda command: Unknown() if command.serial > 1 else Done(Balance(0)))
    other = stage.serve("s2", always(Done(Balance(5))))

    assert stage.client(opening=Query()).ask(Credit(5)) == Done(Balance(5))

    assert [command.operation for command in first.asked] == [Query(), Credit(5)]
    assert other.asked == first.asked[1:] and other.asked[0].serial == 2


def test_a_closed_session_is_opened_again_under_another_name(stage: Stage) -> None:
    """The servers have closed the session for want of room; the command was sent once only, so it is surely new."""
    names: list[str] = []

    def script(command: Command) -> Outcome:
        names.append(command.client)
        return Expired() if command.serial == 3 and len(set(names)) == 1 else Done(Balance(command.serial))

    stage.serve("s1", script)
    client = stage.client(opening=Query())

    assert [client.ask(Credit(5)), client.ask(Credit(5))] == [Done(Balance(2)), Done(Balance(2))]

    assert client.name == f"{names[0]}.2" and names[-2:] == [client.name] * 2


def test_a_repetition_that_has_expired_is_unknown(stage: Stage) -> None:
    """The first try may have been applied before the session was closed, so the command is not sent as a new one."""
    stage.serve("s1", lambda command: Unknown() if command.serial > 1 else Done(Balance(0)))
    stage.serve("s2", always(Expired()))

    assert stage.client(opening=Query()).ask(Credit(5)) == Unknown()


def test_without_a_session_nothing_is_sent(stage: Stage) -> None:
    """The opening has no answer, so the credit is not done."""
    server = stage.serve("s1", always(None))

    outcome = stage.client(opening=Query()).ask(Credit(5), timeout_s=0.3)

    assert isinstance(outcome, Refused) and "no session" in outcome.reason
    assert {command.operation for command in server.asked} == {Query()}
