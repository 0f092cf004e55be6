"""What can go wrong while a scenario runs, other than a check that fails."""

from __future__ import annotations

from checker.errors import UsageError


class RunnerError(Exception):
    """Root of the runner's errors."""


class SetupError(RunnerError, UsageError):
    """The header asks for an application, a state map or an option that there is not."""


class ActionError(RunnerError):
    """A statement could not be carried out; the run stops there, since its state is no longer what the author
    meant.
    """


class NothingToActOn(ActionError):
    """A verb found nothing to act on. `try` forgives this one, and no other."""


class Unresolved(NothingToActOn):
    """A selector, or a field, means nothing at the moment: nobody leads, say."""
