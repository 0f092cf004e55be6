"""What a trace looks like: on a terminal, as a page, as a sequence diagram, as JSON.

    render_text(trace, width=100)   one aligned line a step           print_text(trace) fits the terminal
    render_html(trace)              one self-contained page: a space-time diagram to step through
    render_mermaid(trace)           a sequence diagram for a pull request
    to_json(trace), from_json(text) the trace itself, to keep

All are functions of the trace alone: the same trace gives the same bytes.
"""

from checker.runs.trace_json import TraceFileError, from_json, to_json
from checker.views.html import render_html
from checker.views.mermaid import render_mermaid
from checker.views.text import print_text, render_text

__all__ = ["TraceFileError", "from_json", "print_text", "render_html", "render_mermaid", "render_text", "to_json"]
