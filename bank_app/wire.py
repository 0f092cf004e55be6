"""What the bank's servers and clients send and store, as bytes."""

from __future__ import annotations

from typing import Final

from bank_app.app import Balance, Credit, Debit, Overdrawn, Query
from raftframe.comms.wire import Codec

BANK_CODEC: Final = Codec([Query, Credit, Debit, Balance, Overdrawn])
"""Logs on disk use the names of these classes: they stay."""
