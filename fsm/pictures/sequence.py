"""A trace as a Mermaid sequence diagram: who spoke to whom, which rows answered and why, what was different after.

Participants are the hosts of a pool, what lies outside of them, and the operator; of a model those that its actions
name by their arguments, or the model as a whole. An arrow is a step; the note below it holds the rows that fired; a
note over everybody says what is different now. Faults stand on red ground. What goes on for ever is a loop.

Mermaid reads `;` as the end of a line, `#` as the beginning of a character's code and `<` as that of markup, so
whatever is not plain text is written by its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from fsm.search.trace import Trace, TraceStep, show
from fsm.search.trace_table import folded

SETTINGS = '%%{init: {"sequence": {"mirrorActors": false}}}%%'
OUTSIDE, OPERATOR = "outside", "operator"
FAULT = "rect rgb(255, 214, 214)"
COLUMNS = 38
"""The longest line of a text, in characters."""
_CODED = re.compile(r"[^\w .,:()\[\]{}=/'&|!?+*>-]")
_WORDS_OF_MERMAID = re.compile(r"\b(?=(?:end|wrap|nowrap)\b)(\w)", re.IGNORECASE)


def sequence(trace: Trace, title: str = "") -> str:
    """The text of a trace's diagram, ending in a newline; `title` stands in its first note."""
    ids = {name: f"p{number}" for number, name in enumerate(_participants(trace.steps))}
    lines = [f"participant {id_} as {_text([name])}" for name, id_ in ids.items()]
    start = folded((f"{name}: {show(value)}" for name, value in trace.start.items()), COLUMNS)
    lines.append(_everybody(ids, [*([title] if title else []), *start]))
    for step in trace.steps:
        if step.number == trace.loop:
            lines.append("loop for ever")
        lines += _step(step, ids)
    if trace.loop is not None:
        stays = _everybody(ids, ["and so it stays for ever"])
        lines.append("end" if trace.loop <= len(trace) else stays)
    elif trace.end:
        lines.append(_everybody(ids, [trace.end]))
    return "\n".join([SETTINGS, "sequenceDiagram", *(f"    {line}" for line in lines)]) + "\n"


def _participants(steps: Iterable[TraceStep]) -> list[str]:
    """The operator and what is outside stand on the left, then the others in their order."""
    found = {name for step in steps for name in (*_ends(step), *(to for to, _ in step.told.replies))}
    return sorted(found or {OUTSIDE}, key=lambda name: (name != OPERATOR, name != OUTSIDE, _natural(name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Numbers inside a name are compared as numbers."""
    return [(int(part or 0), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _ends(step: TraceStep) -> tuple[str, str]:
    """From whom a step comes, and where it happens."""
    told, first = step.told, step.told.firings[:1]
    if first and not first[0].source:  # the action of a model
        places = told.at.split(", ") if told.at else [first[0].machine]
        return places[0], places[-1]
    return told.sender or OUTSIDE, told.at or OUTSIDE


def _step(step: TraceStep, ids: Mapping[str, str]) -> Iterator[str]:
    (source, target), label = _ends(step), f"{step.number}. {step.label}"
    fault = step.fault not in (None, OPERATOR)
    if fault:
        yield FAULT
    if source == target == OUTSIDE:
        yield f"Note over {ids[OUTSIDE]}: {_text([label])}"
    else:
        yield f"{ids[source]}->>{ids[target]}: {_text([label])}"
    answer = list(_answer(step))
    changes = [f"{name}: {show(before)} -> {show(after)}" for name, (before, after) in step.changes.items()]
    if len(ids) == 1:
        answer, changes = answer + changes, []
    if answer:
        yield f"Note over {ids[target]}: {_text(answer)}"
    for to, what in step.told.replies:
        yield f"{ids[target]}-->>{ids[to]}: {_text([what])}"
    if changes:
        yield _everybody(ids, changes)
    if fault:
        yield "end"


def _answer(step: TraceStep) -> Iterator[str]:
    for fired in step.told.firings:
        if fired.source:
            moved = "" if fired.source == fired.target else f" -> {fired.target}"
            yield f"[{fired.row}]{moved}{''.join(f', {name} := {show(value)}' for name, value in fired.set.items())}"
        yield fired.why
    if step.refused is not None:
        yield f"REFUSED: {step.refused}"


def _everybody(ids: Mapping[str, str], lines: Iterable[str]) -> str:
    """A note over all participants."""
    first, *others = ids.values()
    return f"Note over {','.join([first, *others[-1:]])}: {_text(lines)}"


def _text(lines: Iterable[str]) -> str:
    """Lines as one text of Mermaid, the long ones folded."""
    short = [part for line in lines for part in wrap(line, COLUMNS)] or ["-"]
    return "<br/>".join(_WORDS_OF_MERMAID.sub(_code, _CODED.sub(_code, line)) for line in short)


def _code(match: re.Match[str]) -> str:
    return f"#{ord(match[0])};"
