"""Parameters, tables, assumptions, cases: which instances a file has."""

from __future__ import annotations

import itertools

from scenarios.language import tree

from .support import loaded, said


def ids(header: str, body: str = "settle") -> list[str]:
    return [instance.id.removeprefix("some.scenario") for instance in loaded(body, header).instances]


def test_parameters_multiply() -> None:
    """Every value with every other, the last parameter moving fastest."""
    header = "servers: $N\nparam: N = 3, 5\nparam: x = a, b c"

    assert ids(header) == ["[N=3,x=a]", "[N=3,x=b_c]", "[N=5,x=a]", "[N=5,x=b_c]"]


def test_tables_go_together() -> None:
    """The names of a table take their values row by row."""
    assert ids("servers: 3\nparam: a b = 1 2; 3 4") == ["[a=1,b=2]", "[a=3,b=4]"]


def test_assume_filters() -> None:
    """Only the combinations that the assumption holds for are kept."""
    header = "servers: $N\nparam: N = 3, 4, 5\nparam: k = 1, 2, 3\nassume: k > N // 2 or k == 1 and N = 3"

    assert ids(header) == ["[N=3,k=1]", "[N=3,k=2]", "[N=3,k=3]", "[N=4,k=3]", "[N=5,k=3]"]


def test_sixty_four_is_the_limit() -> None:
    """One more instance is an error; `pairwise: on` is a way out that still meets every pair."""
    header = "servers: 3\nparam: a = 1, 2, 3, 4, 5\nparam: b = 1, 2, 3, 4, 5\nparam: c = 1, 2, 3"

    found = loaded("settle", header + "\npairwise: on").instances

    assert "75 instances, and 64 are the most" in said("settle", header)
    bindings = [dict(instance.binding) for instance in found]
    assert 25 <= len(bindings) <= 40
    for one, other in itertools.combinations("abc", 2):
        wanted = 25 if (one, other) == ("a", "b") else 15
        assert len({(binding[one], binding[other]) for binding in bindings}) == wanted


def test_any_word_can_be_a_parameter() -> None:
    """Replaced before parsing, so a verb may be one, and each instance is checked in full."""
    header = "servers: 3\nparam: verb = crash, stop"

    first, second = loaded("$verb s1", header).instances

    assert (type(first.statements[0]), type(second.statements[0])) == (tree.Crash, tree.Stop)


def test_builtin_parameters() -> None:
    """`$servers`, `$peers` and `$quorum` follow from the header."""
    (only,) = loaded("repeat $servers\n  step $peers\nrepeat $quorum\n  settle", "servers: 4").instances

    assert [str(node.count.value) for node in tree.walk_all(only.statements) if hasattr(node, "count")] == [
        "4",
        "3",
        "3",
    ]


def test_each_case_is_an_instance() -> None:
    """What stands before and after the cases belongs to each of them."""
    body = 'elect s1\ncase "one"\n  crash s1\ncase "two"\n  crash s2\nsettle'

    first, second = loaded(body).instances

    assert first.id == "some.scenario[case=one]"
    assert [type(node).__name__ for node in second.statements] == ["Elect", "Case", "Settle"]


def test_known_bug_follows_its_condition() -> None:
    """A known bug may hold for some of the instances only."""
    header = "servers: $N\nparam: N = 3, 5\nknown-bug: log_matching when N == 5; only with five"

    three, five = loaded("settle", header).instances

    assert three.header.known_bug is None
    assert five.header.known_bug is not None
    assert (five.header.known_bug.invariant, five.header.known_bug.text) == ("log_matching", "only with five")


def test_header_values() -> None:
    """What the header says, ready to use."""
    header = "servers: 2\ntags: a, b\noptions: noop=off\nseed: 7\nmodes: sim, threads\nknown-bug: line 9; x"
    (only,) = loaded("settle", header).instances

    assert only.header.servers == ("s1", "s2")
    assert (only.header.tags, only.header.seed, only.header.modes) == (("a", "b"), 7, ("sim", "threads"))
    assert only.header.option("noop") == "off"
    assert only.header.known_bug is not None
    assert only.header.known_bug.line == 9
