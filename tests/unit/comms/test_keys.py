"""A cluster's key is strong enough, and never shown."""

from __future__ import annotations

import pickle
import stat
from pathlib import Path
from typing import Any

import pytest

from raftframe.comms.keys import ClusterKey

SECRET = b"do not show me to anybody"


def test_it_is_in_no_text() -> None:
    """However it is formatted."""
    key = ClusterKey(SECRET)

    texts = [repr(key), str(key), f"{key}", f"{[key]}", "%s" % key, repr({"key": key})]  # noqa: UP031 - one of the ways
    assert all("ClusterKey(<redacted>)" in text for text in texts)
    assert not any("show" in text or SECRET.hex() in text for text in texts)
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize(
    ("secret", "error", "message"),
    [
        (b"a short secret", ValueError, "at least 16 bytes, not 14"),
        (b"", ValueError, "at least 16 bytes, not 0"),
        (b"\x00" * 32, ValueError, "repeats one byte"),
        ("a long secret, but text", TypeError, "made of bytes, not of a str"),
    ],
)
def test_what_is_no_key(secret: Any, error: type[Exception], message: str) -> None:
    """The error does not quote it."""
    with pytest.raises(error, match=message) as raised:
        ClusterKey(secret)

    assert len(secret) < 2 or str(secret) not in str(raised.value)


def test_keys_compare() -> None:
    """By their secret, with themselves only; they are not hashed."""
    assert ClusterKey(SECRET) == ClusterKey(SECRET)
    assert ClusterKey(SECRET) != ClusterKey.random()
    assert ClusterKey(SECRET) != SECRET
    assert ClusterKey.random() != ClusterKey.random()
    with pytest.raises(TypeError, match="not hashed"):
        hash(ClusterKey(SECRET))


def test_derived_keys_differ() -> None:
    """By purpose and by secret."""
    derived = [key.derived(purpose) for key in (ClusterKey(SECRET), ClusterKey.random()) for purpose in ("a", "b")]

    assert len(set(derived)) == 4
    assert all(len(one) == 32 for one in derived)


def test_a_key_goes_through_a_file(tmp_path: Path) -> None:
    """That only its owner can read, and that is never replaced."""
    key, path = ClusterKey.random(), tmp_path / "cluster.key"

    key.write(path)

    assert ClusterKey.read(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        key.write(path)


@pytest.mark.parametrize("content", ["", "hunter2 hunter2 hunter2", "abcdef", "00" * 32])
def test_a_file_without_a_key(tmp_path: Path, content: str) -> None:
    """The error, and all that led to it, names the file and keeps what is in it."""
    path = tmp_path / "cluster.key"
    path.write_text(content)

    with pytest.raises(ValueError, match=r"cluster.key holds no cluster key") as raised:
        ClusterKey.read(path)

    assert not content or content not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_a_key_can_be_handed_to_a_process() -> None:
    """Servers of one cluster are started with it."""
    assert pickle.loads(pickle.dumps(ClusterKey(SECRET))) == ClusterKey(SECRET)
