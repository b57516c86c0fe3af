"""Mutants in which a durable write comes late: not before the operation that it announces, but with its outcome.

A row that sets a variable of the host or the pool and starts an operation promises an order: the write is committed
first. The mutant drops that write from the row, and every row that takes an outcome of the operation, in the state that
waits for it, does the write instead (unless it sets the variable itself, which then is the later write). The value is
computed then. A crash in between, or a row that leaves the state without waiting, finds nothing written.

Left out: writes whose value speaks of what came with the row's own event, for it is gone by then; operations that are
instant, for nothing lies between; rows that stay where they are. A state that other rows enter too does the write for
them as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.checks.facts import Facts, payload
from fsm.language.spec import SAME, Row
from fsm.mutation.operators import Change, Plain, listed

OPERATOR = "move a durable write"


def moved_writes(top: Plain, facts: Facts, lines: Sequence[tuple[Row, ...]]) -> Iterator[Change]:
    """Every such mutant of a machine.

    Arguments:
        top: its file as plain data.
        facts: those of the machine.
        lines: for each row as it is written the rows that it stands for.
    """
    for index, rows in enumerate(lines):
        row = rows[0]
        if row.do is None or row.target == SAME or facts.instant(row.do):
            continue
        carried = {name for one in rows for name in payload(facts.machine, one.event)}
        for name, value in row.set:
            if facts.machine.variables[name].store != "memory" and not carried & set(value.names):
                what = f"sets {name} once {row.do.text} has ended, not before"
                yield Change(
                    OPERATOR, "rows", index, what, {**top, "rows": _late(top["rows"], facts, lines, index, name)}
                )


def _late(
    written: Sequence[Plain], facts: Facts, lines: Sequence[tuple[Row, ...]], index: int, name: str
) -> list[Plain]:
    """The rows of the file with one write moved."""
    source = lines[index][0]
    assert source.do is not None  # nothing else is moved
    value, found = written[index]["set"][name], []
    taking = {event: facts.rows(source.target, event) for event in facts.outcomes(source.do)}
    for number, row in enumerate(written):
        if number == index:
            kept = {key: said for key, said in row["set"].items() if key != name}
            row = {key: said for key, said in row.items() if key != "set"} | ({"set": kept} if kept else {})
        events = [event for event, rows in taking.items() if any(one in lines[number] for one in rows)]
        if not events:
            found.append(row)
            continue
        found += _besides(row, source.target, events)
        found.append({**row, "from": source.target, "on": events, "set": {name: value, **row.get("set", {})}})
    return found


def _besides(row: Plain, state: str, events: Sequence[str]) -> Iterator[Plain]:
    """What a row says of other states and events than these.

    One that is written for a group stays whole: a row of the state itself goes before it."""
    sources = listed(row["from"])
    if state not in sources:
        yield row
        return
    if others := [source for source in sources if source != state]:
        yield {**row, "from": others}
    if left := [event for event in listed(row["on"]) if event not in events]:
        yield {**row, "from": state, "on": left}
