"""Code blocks of documents, found and run, so that what a page shows is what happens.

What a block does follows from its opening line; a block of any other kind is prose.

* ```` ```python ````: executed. All of a page's python blocks share one namespace, in order.
* ```` ```console ````: each `$ raftframe ...` (or `$ python ...`, `$ cat ...`) runs in a shell; other commands, such as
  `$ git clone ...`, are only shown. The lines below a command are its output: `...` in a line stands for any text, a
  line of only `...` for any lines; no lines at all means that any output will do. A command must exit with 0, unless
  the next one is `$ echo $?`, whose output says with what.
* `file=NAME` after the language, as in ```` ```yaml file=a.scenario ````, writes the block to that file, for the blocks
  that follow.

A page runs in a folder of its own that has links to everything in the repository, so that relative paths work as they
do for a reader in a clone, and what a page writes is thrown away.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from attrs import frozen

from .repository import ROOT, files

RUN = {"raftframe", "python", "cat"}
TIMEOUT_S = 300
OPENING = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w+-]*)(?P<options>[^`]*)$")
FILE_OPTION = re.compile(r"\bfile=(\S+)")


@frozen
class Block:
    """One fenced block. `line` is that of its first line of code, from 1."""

    language: str
    options: str
    code: str
    line: int

    @property
    def file(self) -> str | None:
        """The name of the file that this block is, if it is one."""
        option = FILE_OPTION.search(self.options)
        return option[1] if option else None


@frozen
class Command:
    """One command of a console block, the output shown below it, and the exit code it should have."""

    text: str
    shown: str
    exit_code: int
    line: int


class Differs(AssertionError):
    """A page shows something other than what happens."""


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order. A block that is never closed reaches to the end, as Markdown has it."""
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if opening := OPENING.match(line):
            closing = re.compile(rf" *{opening['fence'][0]}{{{len(opening['fence'])},}} *$")
            code = []
            for _, inner in lines:
                if closing.match(inner):
                    break
                code.append(inner.removeprefix(opening["indent"]))
            yield Block(opening["language"], opening["options"], "".join(f"{one}\n" for one in code), number + 1)


def commands(block: Block) -> list[Command]:
    """The commands of a console block, `$ echo $?` folded into the command before it."""
    found: list[Command] = []
    for text, shown, line in _prompts(block):
        if text == "echo $?" and found:
            last = found.pop()
            found.append(Command(last.text, last.shown, int(shown.strip()), last.line))
        else:
            found.append(Command(text, shown, 0, line))
    return found


def _prompts(block: Block) -> Iterator[tuple[str, str, int]]:
    """Each prompt of *block*: the command (continued after a backslash), what is shown below it, its line."""
    lines = block.code.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        last = start
        while lines[last].endswith("\\") and last + 1 < end:
            last += 1
        continued = [line.removeprefix("> ") for line in lines[start + 1 : last + 1]]
        text = "\n".join([lines[start].removeprefix("$ "), *continued])
        yield text, "\n".join(lines[last + 1 : end]).strip("\n"), block.line + start


def is_run(command: str) -> bool:
    """Whether *command* is one of those that are run and not only shown."""
    words = command.split()
    while words and re.match(r"^\w+=", words[0]):
        words.pop(0)
    return bool(words) and words[0] in RUN


def matches(shown: str, output: str) -> bool:
    """Whether *output* is what is *shown*, where `...` is anything; blanks at the ends of lines don't count."""
    pattern = ""
    for line in shown.splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("...")) + r"\n"
    text = "".join(f"{line.rstrip()}\n" for line in output.strip("\n").splitlines())
    return not shown.strip() or re.fullmatch(pattern, text) is not None


def lay_out(folder: Path) -> None:
    """Fill *folder* with a link to each thing at the top of the repository."""
    for name in sorted({path.relative_to(ROOT).parts[0] for path in files()}):
        (folder / name).symlink_to(ROOT / name)


def run_page(page: Path, folder: Path) -> int:
    """Run the blocks of *page* in *folder*, which is the current folder; how many did something.

    Raises `Differs` for a console block, and whatever a python block raises, with the page's own line in the traceback.
    """
    namespace: dict[str, object] = {"__name__": "__main__"}
    done = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.file:
            (folder / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)
        elif block.language == "console":
            run_commands(commands(block), folder, page.name)
        else:
            continue
        done += 1
    return done


def run_commands(wanted: Iterable[Command], folder: Path, page: str) -> None:
    """Run those commands that are run, in *folder*; raise `Differs` for the first that does not do what is shown."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
    for command in wanted:
        if not is_run(command.text):
            continue
        result = subprocess.run(
            command.text,
            shell=True,  # pages show pipes
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        where = f"{page}:{command.line}: $ {command.text}"
        if result.returncode != command.exit_code:
            raise Differs(f"{where}\nexits with {result.returncode}, not {command.exit_code}:\n{result.stdout}")
        if not matches(command.shown, result.stdout):
            raise Differs(f"{where}\nshows\n{command.shown}\nbut prints\n{result.stdout}")
