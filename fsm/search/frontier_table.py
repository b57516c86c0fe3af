"""A frontier as tables: for a terminal, as Markdown, as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fsm.search.columns import columns, markdown
from fsm.search.frontier import LEVELS, Frontier, said


def text(found: Frontier) -> Iterator[str]:
    """Two tables with what was not found out, for a terminal."""
    yield from _head(found)
    yield from columns(_alone(found))
    yield from _together(found)
    if found.smallest:
        yield from columns(_smallest(found))
    yield from _notes(found)


def as_markdown(found: Frontier) -> Iterator[str]:
    """The same as Markdown."""
    yield from (f"{line}  " for line in _head(found))
    yield ""
    yield from markdown(_alone(found))
    yield ""
    yield from _together(found)
    yield ""
    if found.smallest:
        yield from markdown(_smallest(found))
        yield ""
    yield from (f"{line}  " for line in _notes(found))


def to_json(found: Frontier) -> dict[str, Any]:
    """All of it as JSON can carry it."""
    kinds = found.kinds

    def named(vector: tuple[int, ...]) -> dict[str, str]:
        return {kind: LEVELS[level] for kind, level in zip(kinds, vector, strict=True)}

    return {
        "name": found.name,
        "faults": list(kinds),
        "without_faults": found.faultless,
        "alone": found.alone,
        "together": [list(those) for those in found.together],
        "smallest": {
            name: [{"budgets": named(vector), "steps": steps} for vector, steps in vectors.items()]
            for name, vectors in found.smallest.items()
        },
        "reachable": sorted(found.reach),
        "counting_on": {name: list(those) for name, those in found.counted.items()},
        "settled": sorted(found.settled),
        "unknown": {name: [named(vector) for vector in vectors] for name, vectors in found.unknown.items()},
        "at_once": found.at_once,
        "runs": [
            {"budgets": named(run.vector), "distinct": run.states, "finished": run.finished} for run in found.runs
        ],
    }


def _head(found: Frontier) -> Iterator[str]:
    runs = "1 exploration" if len(found.runs) == 1 else f"{len(found.runs)} explorations"
    yield f"{found.name}: {runs}, with up to {_kinds(found)} of fault at a time"
    if found.faultless:
        yield f"without any fault: {'; '.join(_after(found.faultless, ', '))}; the tables are about the rest"


def _kinds(found: Frontier) -> str:
    return "one kind" if found.at_once == 1 else f"{found.at_once} kinds"


def _after(broken: Mapping[str, int], joined: str) -> Iterator[str]:
    """ "low, after 2 steps"."""
    for name, steps in broken.items():
        yield f"{name}{joined}after {steps} step{'s' if steps != 1 else ''}"


def _alone(found: Frontier) -> list[list[str]]:
    """Kind × what it breaks, any number of times and alone."""
    rows = [["any number of times", "breaks"]]
    for kind, broken in found.alone.items():
        names = "not known" if broken is None else ", ".join(_after(broken, " "))
        rows.append([kind, names or "nothing"])
    return rows


def _together(found: Frontier) -> Iterator[str]:
    for those in found.together:
        nothing = "nothing more breaks" if found.faultless else "nothing breaks"
        yield f"any number of times together, and {nothing}: {', '.join(those) or 'none of them'}"


def _smallest(found: Frontier) -> list[list[str]]:
    """A row for each smallest vector: property, what comes true, the budgets, the steps."""
    rows = [["property", "", *found.kinds, "steps"]]
    for name, vectors in found.smallest.items():
        reach = name in found.reach
        for vector, steps in sorted(vectors.items(), key=lambda entry: (sum(entry[0]), entry[0])):
            levels = [LEVELS[level] if level else "." for level in vector]
            rows.append([name, "reached" if reach else "violated", *levels, str(steps)])
        if not vectors:
            kept = "not reached" if reach else "holds"
            rows.append([name, kept + ("" if name in found.settled else " so far"), *("." for _ in found.kinds), ""])
    return rows


def _notes(found: Frontier) -> Iterator[str]:
    if found.smallest:
        yield "the smallest budgets with which a property is violated or reached ('.' is none), and the steps to it"
    for kinds in dict.fromkeys(found.counted.values()):
        names = [name for name, counted in found.counted.items() if counted == kinds]
        yield f"asked where {', '.join(kinds)} may happen any number of times, on which it counts: {', '.join(names)}"
    more = [n for n, vectors in found.smallest.items() if any(sum(map(bool, v)) > found.at_once for v in vectors)]
    if more:
        yield f"{', '.join(more)}: smaller budgets of more than {_kinds(found)} of fault were not tried"
    for run in found.runs:
        if not run.finished:
            yield f"not finished: {said(found.kinds, run.vector)}, {run.states:,} states"
