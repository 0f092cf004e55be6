"""What loading a scenario file gives: its header, its instances, and everything that is wrong with it."""

from __future__ import annotations

from attrs import field, frozen

from scenarios.language.diagnostics import Diagnostic, Severity
from scenarios.language.terms import Span
from scenarios.language.tree import GivenField, GivenLogs, SetField, Statement, walk_all

Binding = tuple[tuple[str, str], ...]


@frozen
class KnownBug:
    """`known-bug:` of one instance. The run must fail, and by this: the *invariant*, or the statement on *line*."""

    invariant: str | None
    line: int | None
    text: str
    span: Span = field(eq=False, repr=False)


@frozen
class Header:
    """The header with parameters filled in. Of a library (only defines), *servers* is empty."""

    title: str = ""
    summary: str = ""
    format: int = 1
    servers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("sim",)
    app: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    seed: int | None = None
    pairwise: bool = False
    state_map: str | None = None
    known_bug: KnownBug | None = None
    generated: str = ""
    origin: str = ""
    minimised: str = ""

    def option(self, name: str, default: str | None = None) -> str | None:
        return dict(self.options).get(name, default)


@frozen
class Instance:
    """One binding of the parameters, ready to run when *skip_reason* is None.

    *id* reads `file.scenario[N=3,point=after]`. *needs* are the features that the header asks for or that the
    statements cannot do without; *missing* are those of them that are not built.
    """

    id: str
    path: str
    binding: Binding
    header: Header
    statements: tuple[Statement, ...] = field(repr=False)
    needs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mode: str = "sim"
    unfit: str | None = None

    @property
    def skip_reason(self) -> str | None:
        """Why this instance cannot run here, naming every feature that is missing; None when it can."""
        if self.missing:
            return "requires " + ", ".join(self.missing) + " (not built)"
        if self.mode not in self.header.modes:
            return f"mode {self.mode} is not in its `modes:`"
        return self.unfit

    @property
    def injected(self) -> bool:
        """Whether the scenario writes state that no execution may reach (`given`, `set`)."""
        return any(isinstance(node, GivenLogs | GivenField | SetField) for node in walk_all(self.statements))


@frozen
class LoadedFile:
    """A file after loading. With any error nothing may run, and *instances* is empty."""

    path: str
    text: str = field(repr=False)
    header: Header
    instances: tuple[Instance, ...]
    diagnostics: tuple[Diagnostic, ...]
    defines: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return tuple(found for found in self.diagnostics if found.severity is Severity.WARNING)

    @property
    def ok(self) -> bool:
        return not self.errors

    @property
    def is_library(self) -> bool:
        """Only defines: to be used by other files, with nothing to run."""
        return self.ok and not self.header.servers and not self.instances
