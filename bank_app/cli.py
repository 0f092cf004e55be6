"""The bank on the command line.

    bank key FILE                                      a new cluster key
    bank serve --identity s1 --servers ... --key-file FILE --data DIR
    bank query | credit N | debit N | status           --servers ... --key-file FILE
    bank cluster --servers 3                           a whole cluster on this machine, and a teller to talk to

Exit codes: 0 it was done, 1 the bank or the cluster refused, 2 a usage mistake, 3 the outcome is unknown.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec

import click
from attrs import evolve

from bank_app.app import Balance, Credit, Debit, Operation, Query
from bank_app.client import bank_client, worded
from raftframe.api.comms import CommsError
from raftframe.api.storage import StorageError
from raftframe.comms.keys import ClusterKey
from raftframe.comms.udp import Address
from raftframe.effects import Done, Refused
from raftframe.entries import ServerId
from raftframe.server import ServerError

P = ParamSpec("P")

UNKNOWN: Final = 3
_EXAMPLE: Final = "s1=127.0.0.1:7001,s2=127.0.0.1:7002,s3=127.0.0.1:7003"
_MOST_SERVERS: Final = 9
_LOOK_EVERY_S: Final = 0.5


def parse_servers(text: str) -> dict[ServerId, Address]:
    """The addresses in `s1=127.0.0.1:7001,s2=...`. Raises ValueError that says what is wrong with which part."""
    addresses: dict[ServerId, Address] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, address = part.partition("=")
        host, colon, port = address.rpartition(":")
        if not (name and equals and host and colon):
            raise ValueError(f"{part!r} is not NAME=ADDRESS:PORT, as in {_EXAMPLE}")
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
            raise ValueError(f"the port of {name} is a number from 1 to 65535, not {port!r}")
        if name in addresses:
            raise ValueError(f"{name} is named twice")
        addresses[name] = (host.strip("[]"), int(port))
    if not addresses:
        raise ValueError(f"no server is named; write them as {_EXAMPLE}")
    return addresses


def _read_servers(ctx: click.Context, param: click.Parameter, value: str) -> dict[ServerId, Address]:
    try:
        return parse_servers(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def _read_key(ctx: click.Context, param: click.Parameter, value: Path) -> ClusterKey:
    try:
        return ClusterKey.read(value)
    except FileNotFoundError as error:
        raise click.BadParameter(f"there is no {value}; `bank key {value}` makes a new key", ctx, param) from error
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), ctx, param) from error


_servers = click.option(
    "--servers",
    required=True,
    callback=_read_servers,
    envvar="BANK_SERVERS",
    metavar="NAME=ADDRESS:PORT,...",
    help=f"Every server: {_EXAMPLE}.",
)
_key = click.option(
    "--key-file",
    "key",
    required=True,
    callback=_read_key,
    envvar="BANK_KEY_FILE",
    type=click.Path(path_type=Path),
    help="The cluster's key: see `bank key`.",
)
_timeout = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1, max=600), default=5.0, show_default=True, help="Seconds."
)


def _plainly(command: Callable[P, None]) -> Callable[P, None]:
    """Tell what cannot be done in one sentence, without a traceback."""

    @wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (CommsError, StorageError, ServerError, TimeoutError, ValueError, OSError) as error:
            raise click.ClickException(str(error)) from error

    return told


@click.group()
def main() -> None:
    """A bank with one account, on a cluster of servers."""


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_plainly
def key(file: Path) -> None:
    """Write a new cluster key into FILE, which only you can read."""
    try:
        ClusterKey.random().write(file)
    except FileExistsError:
        raise click.ClickException(f"{file} exists, and a key is never replaced: name another file") from None
    click.echo(f"{file}: a new key; give it to every server and client of the cluster, and to nobody else")


@main.command()
@click.option("--identity", required=True, help="Which of the servers this one is.")
@_servers
@_key
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where its log is kept.")
@click.option(
    "--snapshot-every",
    type=click.IntRange(min=1),
    help="Cut the log whenever so many entries were applied since the last time; by default never.",
)
@_plainly
def serve(
    identity: str, servers: Mapping[ServerId, Address], key: ClusterKey, data: Path, snapshot_every: int | None
) -> None:
    """Run one server until it is interrupted."""
    from bank_app.app import BANK_OPTIONS
    from bank_app.udp_server import UDPBankTellerServer

    if identity not in servers:
        raise click.UsageError(f"{identity} is not one of the servers {', '.join(servers)}")
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    host, port = servers[identity]
    new = not (data / f"{identity}.sqlite").exists()
    options = evolve(BANK_OPTIONS, snapshot_every=snapshot_every)
    server = UDPBankTellerServer(identity, servers, key=key, data=data, options=options)
    try:
        server.start()
        log = "a new, empty log" if new else f"a log of {server.status().last_index} entries"
        click.echo(f"{identity} listens at {host}:{port} with {log} in {server.path}; Ctrl-C stops it")
        while not ended.wait(_LOOK_EVERY_S) and server.status().phase.is_up:
            pass
    finally:
        server.stop()
    status = server.status()
    if server.server.error is not None:
        raise click.ClickException(f"{identity} has failed {status.reason}")
    click.echo(f"{identity} has stopped")


@main.command()
@_servers
@_key
@_timeout
@_plainly
def query(servers: Mapping[ServerId, Address], key: ClusterKey, timeout_s: float) -> None:
    """The balance."""
    _ask(Query(), servers, key, timeout_s)


@main.command(context_settings={"ignore_unknown_options": True})  # -5 is a wrong amount, no option
@click.argument("amount", type=click.IntRange(min=1, max=10**18))
@_servers
@_key
@_timeout
@_plainly
def credit(amount: int, servers: Mapping[ServerId, Address], key: ClusterKey, timeout_s: float) -> None:
    """Put AMOUNT into the account."""
    _ask(Credit(amount), servers, key, timeout_s)


@main.command(context_settings={"ignore_unknown_options": True})  # -5 is a wrong amount, no option
@click.argument("amount", type=click.IntRange(min=1, max=10**18))
@_servers
@_key
@_timeout
@_plainly
def debit(amount: int, servers: Mapping[ServerId, Address], key: ClusterKey, timeout_s: float) -> None:
    """Take AMOUNT out of the account, if it is there."""
    _ask(Debit(amount), servers, key, timeout_s)


@main.command()
@_servers
@_key
@_timeout
@_plainly
def status(servers: Mapping[ServerId, Address], key: ClusterKey, timeout_s: float) -> None:
    """How every server stands."""
    with bank_client(servers, key) as client:
        for server in servers:
            click.echo(client.status(server, timeout_s=timeout_s) or f"{server} does not answer")


@main.command()
@click.option("--servers", "count", type=click.IntRange(1, _MOST_SERVERS), default=3, show_default=True)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep logs and key in this directory; by default they are gone at the end.",
)
@_plainly
def cluster(count: int, data: Path | None) -> None:
    """Start COUNT servers on this machine, one process each, and talk to them."""
    from bank_app.teller import Teller
    from bank_app.udp_server import udp_bank

    with ExitStack() as ends:
        directory = data if data is not None else Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bank-")))
        directory.mkdir(parents=True, exist_ok=True)
        key_file = directory / "cluster.key"
        if not key_file.exists():
            ClusterKey.random().write(key_file)
        running = ends.enter_context(udp_bank(count, data=directory, key=ClusterKey.read(key_file)))
        running.start_all()
        leader = running.wait_for_leader()
        named = ",".join(f"{name}={host}:{port}" for name, (host, port) in running.addresses.items())
        click.echo(f"{count} servers are up and {leader} leads; logs are in {directory}")
        click.echo(f"from elsewhere: bank query --servers {named} --key-file {key_file}")
        Teller(running, ends.enter_context(bank_client(running.addresses, running.key))).run(sys.stdin)


def _ask(operation: Operation, servers: Mapping[ServerId, Address], key: ClusterKey, timeout_s: float) -> None:
    with bank_client(servers, key) as client:
        outcome = client.ask(operation, timeout_s=timeout_s)
    done = isinstance(outcome, Done) and isinstance(outcome.answer, Balance)
    click.echo(worded(outcome), err=not done)
    if not done:
        sys.exit(1 if isinstance(outcome, Done | Refused) else UNKNOWN)


if __name__ == "__main__":
    main()
