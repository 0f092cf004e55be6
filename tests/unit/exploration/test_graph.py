"""The state graph."""

from __future__ import annotations

import json
from pathlib import Path

import networkx
import pytest

from checker import graph as graph_module
from checker.errors import LimitError, UsageError
from checker.explore import check
from checker.graph import Graph
from checker.system import Bounds
from checker.world import LocalEvent
from examples.raft_core import Role, Server, raft_core

from .toys import Counters


@pytest.fixture(scope="module")
def counters() -> Graph:
    """Two counters to 2: a grid of 3 times 3."""
    graph = check(Counters(limit=2), bounds=Bounds({"goes": 4}), graph=True).graph
    assert graph is not None
    return graph


def test_shape(counters: Graph) -> None:
    """Worlds, edges, what leaves a world, and where nothing does."""
    assert (counters.states, counters.transitions) == (9, 12)
    assert [counters.event(edge) for edge in counters.edges_from(0)] == [LocalEvent("a", "go"), LocalEvent("b", "go")]
    assert [counters.actor_states(number) for number in counters.deadlocks()] == [{"a": 2, "b": 2}]


def test_where(counters: Graph) -> None:
    """Worlds by predicate."""
    assert len(counters.where(lambda states: states["a"] == 1)) == 3


def test_shortest_path(counters: Graph) -> None:
    """A shortest path, by events; an empty one where one stands; None where there is none."""
    path = counters.shortest_path(lambda states: states["a"] == 2)

    assert path == [LocalEvent("a", "go")] * 2
    assert counters.shortest_path(lambda states: True) == []
    assert counters.shortest_path(lambda states: states["a"] == 3) is None


def test_components(counters: Graph) -> None:
    """Nothing comes back: each world is a component. What does come back is one."""
    circle = check(raft_core(), bounds=Bounds({"timeouts": 1}), network="ever-sent", graph=True).graph

    assert counters.components()[0] == 9
    assert circle is not None
    assert circle.components()[0] <= circle.states


def test_networkx(counters: Graph) -> None:
    """The same graph for networkx."""
    drawn = counters.to_networkx()

    assert (drawn.number_of_nodes(), drawn.number_of_edges()) == (9, 12)
    assert networkx.dag_longest_path_length(drawn) == 4
    assert drawn.nodes[0]["label"] == "a: state 0\nb: state 0"


@pytest.mark.parametrize("ending", ["graphml", "dot", "json"])
def test_files(counters: Graph, ending: str, tmp_path: Path) -> None:
    """Files that other tools read."""
    path = tmp_path / f"graph.{ending}"

    counters.write(path)

    text = path.read_text(encoding="utf-8")
    assert "go a" in text
    if ending == "json":
        assert len(json.loads(text)["edges"]) == 12
    if ending == "graphml":
        assert networkx.read_graphml(path).number_of_nodes() == 9


def test_unknown_format(counters: Graph, tmp_path: Path) -> None:
    """Another format is refused by name."""
    with pytest.raises(UsageError, match="one of graphml, dot, json"):
        counters.write(tmp_path / "graph.png")


def test_too_large(counters: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too large to draw says so, and what to do."""
    monkeypatch.setattr(graph_module, "MAX_DRAWN", 5)

    with pytest.raises(LimitError, match="lower the bounds"):
        counters.to_networkx()


def test_messages_have_texts() -> None:
    """Edges name messages as the system describes them."""
    graph = check(raft_core(), bounds=Bounds({"timeouts": 1}), graph=True).graph

    assert graph is not None
    assert "deliver RequestVote(term=1, last_index=0, last_term=0) 0 -> 1" in graph.to_dot()
    leaders = graph.where(
        lambda states: any(isinstance(state, Server) and state.role is Role.LEADER for state in states.values())
    )
    assert 0 < len(leaders) < graph.states
