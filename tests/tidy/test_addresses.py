"""The repository works anywhere: nothing in it points at one machine, or at one place to download from."""

from __future__ import annotations

import re

from .repository import ROOT, shown, text_files

# Classes of one letter keep these patterns from matching themselves.
ONE_MACHINE = re.compile(r"(?<![\w.~}*-])[/](work|root|home/\w+|Users/\w+)[/]")
ONE_REGISTRY = re.compile(
    r"https?://[^\s\"'>)]*(py[p]i|pythonhoste[d]|npmj[s]|mave[n]|crates[.]io|proxy[.]golan[g]|artifactor[y]|nexu[s]|mirro[r])"
    r"|--(extra-)?index-ur[l]|--trusted-hos[t]"
)


def test_nothing_points_at_one_machine() -> None:
    """No file names a folder of the machine it was written on."""
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if ONE_MACHINE.search(line) or str(ROOT.parent) + "/" in line
    ]

    assert not wrong, "\n".join(wrong)


def test_nothing_points_at_one_registry() -> None:
    """Which registry packages come from is the machine's business: no file names a host or passes an index."""
    wrong = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path, text in text_files()
        for number, line in enumerate(text.splitlines(), start=1)
        if ONE_REGISTRY.search(line)
    ]

    assert not wrong, "\n".join(wrong)
