"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from attrs import define, evolve, field

from checker.runs.trace import SentMessage, Trace, Violation
from checker.views import render_html

from .samples import SAMPLES, hostile, pauses, two_leaders

ALL = {**SAMPLES, "hostile": hostile}


@define
class _Page(HTMLParser):
    """The tags with their attributes, and the text of each script and of the rest."""

    tags: list[tuple[str, dict[str, str | None]]] = field(factory=list)
    scripts: list[str] = field(factory=list)
    texts: list[str] = field(factory=list)
    inside: str = ""

    def __attrs_pre_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self.inside == "script" else self.texts).append(data)


def _parsed(page: str) -> _Page:
    parser = _Page()
    parser.feed(page)
    parser.close()
    return parser


def _classes(page: str, tag: str) -> list[list[str]]:
    return [(attrs.get("class") or "").split() for name, attrs in _parsed(page).tags if name == tag]


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_fetched(name: str) -> None:
    """No attribute that loads anything, no address but a step of this page, and a policy that forbids the rest."""
    page = render_html(ALL[name]())

    tags = _parsed(page).tags
    assert not {tag for tag, _ in tags} & {"link", "img", "iframe", "object", "embed", "base", "form", "image", "use"}
    assert not [attrs for _, attrs in tags if attrs.keys() & {"src", "srcset", "xlink:href", "action", "data"}]
    assert all((attrs.get("href") or "#step=").startswith("#step=") for _, attrs in tags)
    assert "default-src 'none'" in page
    assert not re.search(r"@import|url\((?!#)", page)


@pytest.mark.parametrize("name", ALL)
def test_only_our_script_can_run(name: str) -> None:
    """Two script elements: data, and the one whose hash the policy names. No handler attributes."""
    page = render_html(ALL[name]())
    parsed = _parsed(page)

    assert [attrs.get("type") for tag, attrs in parsed.tags if tag == "script"] == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256(parsed.scripts[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert not [key for _, attrs in parsed.tags for key in attrs if key.startswith("on")]


def test_hostile_texts_stay_texts() -> None:
    """A trace cannot add an element, end one, or fill a slot of the template."""
    page = render_html(hostile())

    assert "<img" not in page
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    assert "{{title}}" in page  # shown as it is, not replaced a second time
    json.loads(_parsed(page).scripts[0])


@pytest.mark.parametrize("name", SAMPLES)
def test_every_step_and_server_is_there(name: str) -> None:
    """The list and the drawing have a row for the start and for each step, and a lane for each server."""
    trace = SAMPLES[name]()

    page = render_html(trace)

    full = page[page.index('id="chart-full"') :].partition('id="chart-short"')[0]
    wanted = [str(number) for number in range(len(trace.steps) + 1)]
    for tag in ("li", "rect"):
        found = [attrs["data-first"] for name_, attrs in _parsed(full).tags if name_ == tag and "data-first" in attrs]
        assert found == wanted
    for actor in trace.actors:
        assert f'data-actor="{actor}"' in full


@pytest.mark.parametrize("name", SAMPLES)
def test_every_message_is_drawn_with_its_fate(name: str) -> None:
    """Each message that was sent is one arrow."""
    trace = SAMPLES[name]()
    sent = sum(len(step.sent) for step in trace.steps)

    page = render_html(trace)

    full = page[page.index('id="chart-full"') :].partition('id="chart-short"')[0]
    assert sum("data-sent" in attrs for _, attrs in _parsed(full).tags) == sent


def test_fates_conditions_and_copies_are_visible() -> None:
    """Drops end in a cross, copies begin in a fork, what never arrives in an open end; the paused server shows it."""
    page = render_html(pauses())

    kinds = {kind for tag in ("g", "path", "circle", "rect") for kinds in _classes(page, tag) for kind in kinds}

    assert {"delivered", "dropped", "waiting", "cross", "fork", "open-end", "paused"} <= kinds


def test_the_violating_step_is_marked_and_explained() -> None:
    """In the list, in the drawing, at the top, with the reason."""
    page = render_html(two_leaders())

    assert ["violating"] in _classes(page, "li")
    assert ["row", "violating"] in _classes(page, "rect")
    assert "✗ election_safety: leaders of term 1 = s1, s2" in page
    assert 'href="#step=8"' in page


def test_heartbeats_fold() -> None:
    """The short chart has fewer rows, says how many it folded, and is absent when there is nothing to fold."""
    short = render_html(SAMPLES["partition"]()).partition('id="chart-short"')[2]

    assert "9 heartbeat steps" in short
    assert 'id="chart-short"' not in render_html(pauses())


def test_what_counts_as_a_heartbeat_can_be_said() -> None:
    """A system that is not Raft brings its own function."""
    page = render_html(pauses(), heartbeat=lambda text: text.startswith("AppendEntries "))

    assert "2 heartbeat steps" in page


def test_an_empty_trace_and_one_broken_at_the_start() -> None:
    """Step 0 can break a property; no actor at all is odd but no reason to fail."""
    broken = evolve(two_leaders(), steps=(), violation=Violation("never", "it began wrong", 0))

    assert "violated in the initial state" in render_html(broken)
    assert "<svg" in render_html(Trace("nothing", (), {}))


def test_messages_that_were_on_their_way_before_the_first_step() -> None:
    """A run from the middle of a scenario begins with messages on the wire."""
    waiting = SentMessage(99, "c1", "s1", "Command x=1")

    page = render_html(evolve(two_leaders(), in_flight=(waiting,)))

    assert "Command c1 -&gt; s1 x=1 (on its way from the start, never arrived)" in page
    assert 'data-actor="c1"' in page


def test_the_same_trace_gives_the_same_page() -> None:
    """Pages can be compared byte by byte."""
    assert render_html(pauses()) == render_html(pauses())
