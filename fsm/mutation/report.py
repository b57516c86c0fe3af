"""A mutation score for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fsm.mutation.judge import IDENTICAL, KILLED, UNFINISHED, Judged
from fsm.mutation.score import Score
from fsm.search.columns import columns


def lines(score: Score) -> Iterator[str]:
    """The score, who kills what, the operators, and the survivors by row."""
    killed, identical, survivors = len(score.of(KILLED)), len(score.of(IDENTICAL)), score.survivors
    yield f"{score.name}: {len(score.judged):,} mutants, {identical:,} of them identical and left out"
    yield f"score {score.percent:.1f} %: {killed:,} of {score.counted:,} killed, {len(survivors):,} survive"
    found, explored = score.explored
    yield f"{explored:,} of them load and pass the static rules; exploring kills {found:,} of these"
    for name, verdict in score.unheard.items():
        yield f"{name} judges nothing, for it is {verdict} as it is"
    yield from _machines(score)
    yield from _killers(score)
    yield from _operators(score)
    if unfinished := len(score.of(UNFINISHED)):
        yield f"{unfinished:,} survivors were not explored to the end"
    rows: dict[str, list[Judged]] = {}
    for one in survivors:
        rows.setdefault(_place(one), []).append(one)
    for place, those in rows.items():
        yield f"{place} survives"
        for one in those:
            yield f"  {one.mutant.operator}: {one.mutant.what}" + (", not finished" if one.fate == UNFINISHED else "")


def report(score: Score) -> dict[str, Any]:
    """The score as JSON can carry it."""
    return {
        "name": score.name,
        "mutants": len(score.judged),
        "identical": len(score.of(IDENTICAL)),
        "killed": len(score.of(KILLED)),
        "survived": len(score.survivors),
        "score": round(score.percent, 2),
        "explored": dict(zip(("killed", "of"), score.explored, strict=True)),
        "unheard": dict(score.unheard),
        "machines": {
            name: {
                "mutants": len(part.judged),
                "identical": len(part.of(IDENTICAL)),
                "killed": len(part.of(KILLED)),
                "survived": len(part.survivors),
                "score": round(part.percent, 2),
            }
            for name, part in score.parts.items()
        },
        "judged": [
            {
                "machine": one.mutant.machine,
                "rows": list(one.mutant.rows),
                "operator": one.mutant.operator,
                "what": one.mutant.what,
                "fate": one.fate,
                "by": one.by,
                "name": one.name,
                "steps": one.steps,
                "subject": one.subject,
            }
            for one in score.judged
        ],
    }


def _place(one: Judged) -> str:
    others = len(one.mutant.rows) - 1
    if not one.mutant.machine and one.mutant.fault is not None:
        return f"{one.mutant.rows[0]} of {one.subject}"
    return one.mutant.rows[0] + (f" (and {others} more of its line)" if others else "")


def _machines(score: Score) -> Iterator[str]:
    if len(score.parts) < 2:
        return
    table = [("machine", "killed", "identical", "survive", "score")]
    for name, part in score.parts.items():
        killed, identical, alive = len(part.of(KILLED)), len(part.of(IDENTICAL)), len(part.survivors)
        table.append((name, f"{killed:,}", f"{identical:,}", f"{alive:,}", f"{part.percent:.1f} %"))
    yield from columns(table)


def _killers(score: Score) -> Iterator[str]:
    steps: dict[tuple[str, str], list[int]] = {}
    for one in score.of(KILLED):
        if one.steps is not None:
            steps.setdefault((one.by, one.name), []).append(one.steps)
    table = [("killed by", "", "mutants", "steps")]
    for (by, name), count in sorted(score.killers().items(), key=lambda entry: (entry[0][0], -entry[1])):
        found = steps.get((by, name))
        table.append((by, name, f"{count:,}", "" if found is None else f"{min(found)} to {max(found)}"))
    yield from columns(table)


def _operators(score: Score) -> Iterator[str]:
    counted = Counter((one.mutant.operator, one.fate) for one in score.judged)
    table = [("operator", "killed", "identical", "survive")]
    for operator in dict.fromkeys(one.mutant.operator for one in score.judged):
        killed, identical = counted[operator, KILLED], counted[operator, IDENTICAL]
        rest = sum(count for (name, _), count in counted.items() if name == operator) - killed - identical
        table.append((operator, f"{killed:,}", f"{identical:,}", f"{rest:,}"))
    yield from columns(table)
