"""The secret that the servers of a cluster share. It is used, never shown."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path
from typing import Final, NoReturn

LEAST_BYTES: Final = 16
GENERATED_BYTES: Final = 32


class ClusterKey:
    """A secret of at least 16 bytes. Whoever has it is a member of the cluster; so it appears in no text: `repr`, `str`
    and every error message leave it out. Keys compare in constant time.

    Raises ValueError for a secret that is too short, and for one that is a single byte repeated.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        problem = _problem_with(secret)
        if problem is not None:
            del secret  # a traceback that shows local variables must not show it
            raise problem
        self._secret = secret

    @classmethod
    def random(cls) -> ClusterKey:
        """A new key of 32 bytes from the operating system's randomness."""
        return cls(secrets.token_bytes(GENERATED_BYTES))

    @classmethod
    def read(cls, path: Path) -> ClusterKey:
        """The key that `write` has put into *path*. Raises ValueError, naming the file and not its content, if there is
        no key in it; OSError if it cannot be read.
        """
        try:
            return cls(bytes.fromhex(path.read_text(encoding="ascii")))
        except ValueError:
            pass  # its message, and its traceback, would quote the file
        raise ValueError(f"{path} holds no cluster key: it should be {LEAST_BYTES} bytes or more in hexadecimal")

    def write(self, path: Path) -> None:
        """Create *path*, readable by its owner only, with this key in hexadecimal. Raises FileExistsError rather than
        replace a key.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{self._secret.hex()}\n")

    def derived(self, purpose: str) -> bytes:
        """A key of 32 bytes for *purpose* only, from which this one cannot be found (HMAC-SHA256 derives it)."""
        return hmac.digest(self._secret, purpose.encode(), "sha256")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterKey) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> NoReturn:
        raise TypeError("a cluster key is not hashed: a hash tells something of what it is made of")

    def __repr__(self) -> str:
        return "ClusterKey(<redacted>)"


def _problem_with(secret: object) -> TypeError | ValueError | None:
    """What makes *secret* no key: the error to raise, made where nothing of it can be seen."""
    if not isinstance(secret, bytes):
        return TypeError(f"a cluster key is made of bytes, not of a {type(secret).__name__}")
    if len(secret) < LEAST_BYTES:
        return ValueError(f"a cluster key has at least {LEAST_BYTES} bytes, not {len(secret)}: see ClusterKey.random")
    if len(set(secret)) == 1:
        return ValueError("a cluster key that repeats one byte is no secret: see ClusterKey.random")
    return None
