"""The command line. One module a command, loaded when it is used, so that `raftframe fmt` doesn't wait for a
compiler.
"""

from __future__ import annotations

import importlib
import sys
import traceback

import click

COMMANDS: dict[str, str] = {
    "run": "Run scenario files.",
    "check": "Explore every interleaving of a system, and shrink what breaks it.",
    "replay": "Run one scenario and print what happened, step by step.",
    "show": "Draw a trace or a scenario: text, html, mermaid or json.",
    "fmt": "Bring scenario files into the one layout.",
    "lint": "Find mistakes and bad habits in scenario files, without running them.",
    "coverage": "Say which sources and which protocol rules the scenarios cover.",
    "help": "Explain the verbs of the scenario language.",
    "doctor": "Check that everything raftframe needs is here and works.",
}


class _LazyGroup(click.Group):
    """Knows every command by name and one line; imports its module only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"scenarios.commands.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS:
            from checker.errors import did_you_mean

            raise click.UsageError(f"raftframe has no command {args[0]!r}; {did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="raftframe")
def raftframe() -> None:
    """Test Raft, and what is built on it: write a scenario, run it, explore from it, get the shortest
    counterexample back.

    Exit codes: 0 pass, 1 fail, 2 wrong usage or a bad file, 3 unknown (a limit cut the search).
    """


def main() -> None:
    """The entry point of the `raftframe` command. A user's mistake ends in one line, ours in a traceback."""
    from checker.errors import CheckerError

    try:
        done = raftframe.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except CheckerError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and _is_clicks(error):
            raise
        traceback.print_exc()
        words = " ".join(["raftframe", *sys.argv[1:]])
        click.echo(f"\nthis is a mistake of raftframe's, not yours: please report it, with `{words}`", err=True)
        sys.exit(70)
    sys.exit(done if isinstance(done, int) else 0)


def _is_clicks(error: SystemExit) -> bool:
    """Whether click ended the program itself, as it does when it completes words for a shell."""
    *_, (frame, _line) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "click"
