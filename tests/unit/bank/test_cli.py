"""The bank's command line: clear errors, exit codes, a teller, and a server that serves."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bank_app.app import Balance, Overdrawn
from bank_app.cli import main, parse_servers
from bank_app.client import worded
from raftframe.clusters.addresses import free_addresses
from raftframe.comms.keys import ClusterKey
from raftframe.effects import Done, Refused, Unknown

NOBODY = "s1=127.0.0.1:9"


def bank(*arguments: object, typed: str = "") -> Result:
    """What `bank` does with *arguments*."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A key, as `bank key` makes it."""
    file = tmp_path / "cluster.key"
    assert bank("key", file).exit_code == 0
    return file


def test_servers_are_read() -> None:
    """IPv6 addresses may stand in brackets."""
    assert parse_servers("s1=127.0.0.1:7001, s2=[::1]:7002") == {"s1": ("127.0.0.1", 7001), "s2": ("::1", 7002)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no server is named"),
        ("s1", "'s1' is not NAME=ADDRESS:PORT"),
        ("s1=127.0.0.1", "is not NAME=ADDRESS:PORT"),
        ("s1=127.0.0.1:", "a number from 1 to 65535"),
        ("s1=127.0.0.1:70000", "a number from 1 to 65535, not '70000'"),
        ("s1=127.0.0.1:1,s1=127.0.0.1:2", "named twice"),
    ],
)
def test_servers_that_are_none_are_refused(text: str, says: str, key_file: Path) -> None:
    """As a usage mistake, with what is wrong."""
    with pytest.raises(ValueError, match=says):
        parse_servers(text)
    assert bank("query", "--servers", text, "--key-file", key_file).exit_code == 2


def test_a_key_is_made_once_and_never_shown(key_file: Path) -> None:
    """It is readable by its owner only, and not replaced."""
    again = bank("key", key_file)

    assert again.exit_code == 1
    assert "never replaced" in again.output
    assert key_file.stat().st_mode & 0o077 == 0
    assert key_file.read_text().strip() not in again.output


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    """And a file that holds none is named, not quoted."""
    missing = bank("query", "--servers", NOBODY, "--key-file", tmp_path / "none")
    (tmp_path / "wrong").write_text("hunter2")
    wrong = bank("query", "--servers", NOBODY, "--key-file", tmp_path / "wrong")

    assert (missing.exit_code, wrong.exit_code) == (2, 2)
    assert "makes a new key" in missing.output
    assert "holds no cluster key" in wrong.output
    assert "hunter2" not in wrong.output


def test_amounts_are_checked_before_anybody_is_asked(key_file: Path) -> None:
    """Zero and words are usage mistakes."""
    for amount in ("0", "-5", "ten", "1_0x"):
        assert bank("credit", amount, "--servers", NOBODY, "--key-file", key_file).exit_code == 2


def test_nobody_there_is_a_refusal(key_file: Path) -> None:
    """Nothing was done, and the message says who was tried."""
    result = bank("credit", 5, "--servers", NOBODY, "--key-file", key_file, "--timeout", 0.3)

    assert result.exit_code == 1
    assert "not done: no leader was found in 0.3 s (s1: Connection refused)" in result.output


def test_serving_as_nobody_is_refused(key_file: Path, tmp_path: Path) -> None:
    """The identity is one of the servers."""
    result = bank("serve", "--identity", "s9", "--servers", NOBODY, "--key-file", key_file, "--data", tmp_path)

    assert result.exit_code == 2
    assert "s9 is not one of the servers s1" in result.output


def test_outcomes_in_words() -> None:
    """An unknown outcome does not sound like a failure."""
    assert worded(Done(Balance(5))) == "ok, the balance is 5"
    assert worded(Done(Overdrawn(5))) == "refused: the balance is only 5"
    assert worded(Refused("no")) == "not done: no"
    assert "may or may not take effect" in worded(Unknown())


def test_a_cluster_and_its_teller(tmp_path: Path) -> None:
    """The tour: credit, kill, restart, partition, mistakes, quit."""
    script = [
        "credit 10",
        "debit 25",
        "kill s1",
        "restart s1",
        "query",
        "partition s1 | s2 s3",
        "status",
        "heal",
        "kil s1",
        "kill s7",
        "kill",
        "partition s1 s2 s3",
        "credit -1",
        "isolate s2",
        "help",
        "quit",
    ]
    result = bank("cluster", "--servers", 3, "--data", tmp_path, typed="\n".join(script))

    assert result.exit_code == 0, result.output
    for line in (
        "ok, the balance is 10",
        "refused: the balance is only 10",
        "s1 is dead",
        "s1 runs again",
        "cut: s1 | s2 s3",
        "cut: s1 -> s2, s1 -> s3, s2 -> s1, s3 -> s1",
        "every link works",
        "cannot: there is no 'kil'; did you mean kill?",
        "cannot: there is no server 's7': they are s1, s2, s3",
        "cannot: name a server: s1, s2, s3",
        "cannot: a partition has at least two sides",
        "cannot: an amount is more than zero, not -1",
        "s2 hears nobody",
        "kill sN ...",
    ):
        assert line in result.output, result.output
    assert (tmp_path / "s1.sqlite").exists()


@contextmanager
def serving(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """`bank serve` as a process, listening."""
    command = [sys.executable, "-m", "bank_app.cli", "serve", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "listens at" in process.stdout.readline()
            yield process
        finally:
            process.kill()


def test_a_server_that_is_served_from_one_start_to_the_next(tmp_path: Path, key_file: Path) -> None:
    """A cluster of one: credit, stop in good order, start again, query."""
    (host, port) = free_addresses(["s1"])["s1"]
    known = ("--servers", f"s1={host}:{port}", "--key-file", key_file)
    with serving("--identity", "s1", *known, "--data", tmp_path / "data", "--snapshot-every", 1) as process:
        assert bank("credit", 12, *known).output == "ok, the balance is 12\n"
        assert "s1 running: leader" in bank("status", *known).output
        ClusterKey.random().write(tmp_path / "other.key")
        stranger = bank("query", *known[:2], "--key-file", tmp_path / "other.key", "--timeout", 0.5)
        assert stranger.exit_code != 0
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    with serving("--identity", "s1", *known, "--data", tmp_path / "data"):
        assert bank("query", *known).output == "ok, the balance is 12\n"
        overdrawn = bank("debit", 20, *known)
        assert (overdrawn.exit_code, overdrawn.output) == (1, "refused: the balance is only 12\n")
