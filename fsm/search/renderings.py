"""A counterexample in four ways: a table to be read, a diagram for a page, a golden trace that is played again, and an
example for Hypothesis.

The last two are tests: a file of the one goes into a folder of traces, what the other gives is a module for pytest.
Both name the moves by their labels, so they hold as long as the space has such moves, and say so when it has not.
"""

from __future__ import annotations

import json
import re
from typing import Any

from attrs import frozen

from fsm.pictures.sequence import sequence
from fsm.search.space import Property, Space
from fsm.search.trace import Trace
from fsm.search.trace_table import table
from fsm.search.walk import walk_of
from fsm.search.walk_traces import Origin, golden

TABLE, SEQUENCE, GOLDEN, HYPOTHESIS = FORMATS = ("table", "sequence", "golden", "hypothesis")
SUFFIXES = {TABLE: ".txt", SEQUENCE: ".mmd", GOLDEN: ".txt", HYPOTHESIS: ".py"}
"""What the name of a file of each format ends in."""


@frozen
class Found:
    """A trace and what it shows.

    Arguments:
        space, origin: where it was found, and how that is named.
        trace: the moves.
        promised: the property that it violates or, if that is a reachable one, reaches; None for a refused turn.
    """

    space: Space[Any]
    origin: Origin
    trace: Trace
    promised: Property | None

    @property
    def name(self) -> str:
        """A name for it: "failover S3", "die-hard refused"."""
        return f"{self.space.name} {self.promised.name if self.promised else 'refused'}"

    @property
    def title(self) -> str:
        """What it shows, in one line."""
        if self.promised is None:
            return f"{self.space.name}: the spec has no answer: {self.trace.steps[-1].refused}"
        verb = "is reached" if self.promised.kind == "reachable" else "is violated"
        return " ".join(f"{self.space.name}: {self.promised.name} {verb}: {self.promised.why}".split())


def render(found: Found, form: str, terminal: int | None = None) -> str:
    """A trace as text, ending in a newline.

    Arguments:
        found: the trace, and where it comes from.
        form: one of FORMATS.
        terminal: the columns of the terminal that a table is for; None for plain text.
    Errors: `SpecError` for a trace that is no walk of the space.
    """
    if form == TABLE:
        return table(found.trace, terminal)
    if form == SEQUENCE:
        return sequence(found.trace, found.title)
    if form == GOLDEN:
        return golden(found.space, found.origin, found.trace, _closing(found), found.title)
    return example(found)


def _closing(found: Found) -> list[str]:
    if found.promised is None:
        return []
    return [f"{'reaches' if found.promised.kind == 'reachable' else 'violates'} {found.promised.name}"]


def example(found: Found) -> str:
    """A module for pytest in which the trace is an example that Hypothesis always tries.

    What a random walk cannot show, that something is reached or can no more be reached, is a test of this one walk.
    Errors: `SpecError` for a trace that is no walk of the space."""
    origin, walk, promised = found.origin, walk_of(found.space, found.trace), found.promised
    settings = ", ".join(f"{_quoted(name)}: {_quoted(value)}" for name, value in origin.settings)
    without = ", ".join(map(_quoted, origin.without))
    arguments = [f"{'Path(__file__).parent / ' if origin.beside else ''}{_quoted(origin.name)}"]
    arguments += [f"{{{settings}}}"] if settings else []
    arguments += [f"without=[{without}]"] if without else []
    alone = promised is not None and promised.kind in ("reachable", "recoverable")
    labels = [f"    {_quoted(label)}," for label in walk.names]
    lines = [
        f'"""{_inside(found.title)}"""',
        "",
        *(["from pathlib import Path", ""] if origin.beside else []),
        *([] if alone else ["from hypothesis import example, given, settings", ""]),
        f"from fsm.testing import follow, open_space{'' if alone else ', walks'}",
        "",
        f"SPACE = open_space({', '.join(arguments)})",
        *(["WALK = [", *labels, "]"] if labels else ["WALK: list[str] = []"]),
        "",
        "",
        *_test(found, "" if walk.start == 1 else f", start={walk.start}", alone),
    ]
    return "\n".join(lines) + "\n"


def _test(found: Found, start: str, alone: bool) -> list[str]:
    """The walk is bound where the test is made, so that several of these modules may stand in one file."""
    name, why = (found.promised.name, found.promised.why) if found.promised else ("", "no node refuses a turn")
    drawn = ["@settings(deadline=None)", f"@given(walk=walks(SPACE{start}))", "@example(walk=WALK)"]
    return [
        *([] if alone else drawn),
        f"def test_{_identifier(found.name)}(walk: list[str]{' = WALK' if alone else ''}) -> None:",
        f'    """{_inside(why)}"""',
        f"    follow(SPACE, walk{start}, promise={_quoted(name)})",
    ]


def _identifier(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_").lower()


def _quoted(text: str) -> str:
    """A string as Python writes it, with the quotes of this house."""
    return json.dumps(text, ensure_ascii=False)


def _inside(text: str) -> str:
    """What stands inside of a docstring."""
    return text.replace("\\", "\\\\").replace('"', '\\"')
