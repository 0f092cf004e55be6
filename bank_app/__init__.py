"""A bank with one account, replicated by raftframe: the smallest application whose mistakes everybody understands."""

from bank_app.app import BankingApp, Credit, Debit, Query
from bank_app.servers import MemoryBankTellerServer

__all__ = ["BankingApp", "Credit", "Debit", "MemoryBankTellerServer", "Query"]
