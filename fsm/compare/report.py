"""A comparison said in words: lines for a terminal, a comment of a pull request in Markdown, an object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from fsm.compare.behaviour import Behaviour, Moved
from fsm.compare.changes import ADDED, CHANGED, REMOVED, WHY, Change
from fsm.compare.diff import Compared, Diff
from fsm.compare.walk import Apart
from fsm.pictures.mermaid import mermaid
from fsm.pictures.page import table
from fsm.search.result import HOLDS, Result
from fsm.search.trace import Trace, plain, show

SIGNS = {ADDED: "+", REMOVED: "-", CHANGED: "~"}
BALLS = {ADDED: "🟢", REMOVED: "🔴", CHANGED: "🟠"}
COMMENT = 65_000
"""Characters that fit into a comment on GitHub, which takes 65,536; pictures are left out of a longer one."""
ARROW = "-&gt;"
WORLD = "The code of worlds is that which is installed, also for specs of a revision."


def summary(diff: Diff) -> str:
    """All of it in one line."""
    parts = [f"{_named(one)} {one.sign}" for one in diff.specs if not one.changes]
    parts += [f"{_named(one)}: {_counts(one.changes)}" for one in diff.specs if one.changes]
    parts += [f"behaviour of {behaviour.name}: {_said(behaviour)}" for behaviour in diff.behaviours]
    return "; ".join(parts) or "no difference"


def _named(one: Compared) -> str:
    return one.kind if one.name in ("state", "unreached") else f"{one.kind} {one.name}"


def _counts(changes: Sequence[Change]) -> str:
    """ "2 rows added, 1 state removed"."""
    counts = Counter((change.kind, change.sign) for change in changes)
    return ", ".join(f"{n} {_plural(kind, n)} {sign}" for (kind, sign), n in counts.items())


def _plural(kind: str, n: int) -> str:
    if kind == "index" and n > 1:
        return "indices"
    regular = n == 1 or kind.endswith("s") or " " in kind
    return kind if regular else kind[:-1] + "ies" if kind.endswith("y") else kind + "s"


def _said(behaviour: Behaviour) -> str:
    """The behaviour in a few words."""
    parts = [f"{moved.property} {_move(moved)}" for moved in behaviour.moved if moved.old or moved.new != HOLDS]
    walked = behaviour.walked
    if walked.apart is not None:
        parts.append(f"told apart after {_steps(len(walked.apart.old), len(walked.apart.new))}")
    elif behaviour.known and not behaviour.differs:
        parts.append("the same")
    elif not behaviour.known:
        parts.append("not finished, no story found so far that tells them apart")
    else:
        parts.append("no story tells them apart")
    return ", ".join(parts)


def _steps(*lengths: int) -> str:
    return f"{max(lengths)} step{'s' if max(lengths) != 1 else ''}"


def text(diff: Diff) -> Iterator[str]:
    """The comparison for a terminal."""
    for one in diff.specs:
        if not one.changes:
            yield f"{SIGNS[one.sign]} {_named(one)}"
            continue
        yield f"{_named(one)}: {_counts(one.changes)}"
        for change in one.changes:
            yield from _lines(one, change)
    for behaviour in diff.behaviours:
        yield from _behaviour(behaviour)
    if diff.revised:
        yield f"({WORLD})"
    if diff.untried:
        yield _untried(diff)
    if not diff.specs and not diff.behaviours:
        yield "no difference"


def _untried(diff: Diff) -> str:
    others = f" (of {', '.join(diff.untried)})" if len(diff.untried) > 1 else ""
    return f"behaviour of systems was not compared; --system {diff.untried[0]} would{others}"


def _name(one: Compared, change: Change) -> str:
    """What a change is about, by its identity."""
    rows = one.kind == "machine" and change.kind in ("row", "ignore", "defer", "state")
    return f"{change.kind} {one.name}.{change.name}" if rows else f"{change.kind} {change.name}".rstrip()


def _lines(one: Compared, change: Change) -> Iterator[str]:
    name = f"{SIGNS[change.sign]} {_name(one, change)}"
    if change.sign != CHANGED:
        yield f"{name}  {_whole(change)}".rstrip()
        return
    yield name
    wide = max(len(part) for part, _, _ in change.parts)
    for part, before, after in change.parts:
        yield f"    {part:{wide}}  {before or '(nothing)'} -> {after or '(nothing)'}"


def _whole(change: Change) -> str:
    """All that an entry said that is there on one side only."""
    parts = {part: before or after for part, before, after in change.parts}
    prose = parts.pop(WHY, "")
    return "; ".join([*(f"{part} {said}".strip() for part, said in parts.items()), *([prose] if prose else [])])


def _behaviour(behaviour: Behaviour) -> Iterator[str]:
    yield f"behaviour of {behaviour.name}: {_said(behaviour)}"
    yield from (f"  {side}: {_explored(result)}" for side, result in _sides(behaviour))
    yield from (f"  {line}" for line in _reached(behaviour))
    for moved in behaviour.moved:
        shown = f" (shown: {moved.side})" if moved.trace is not None else ""
        yield f"  {moved.property}: {_move(moved)}  {moved.why}{shown}"
        yield from _story(moved.trace)
    yield f"  {_walked(behaviour)}"
    apart = behaviour.walked.apart
    if apart is not None:
        yield from (f"  {line}" for line in _parting(apart))
        yield from _story(_shown(apart))


def _sides(behaviour: Behaviour) -> tuple[tuple[str, Result], ...]:
    return ("old", behaviour.old), ("new", behaviour.new)


def _explored(result: Result) -> str:
    counts = f"{result.distinct:,} states, {result.edges:,} edges, depth {result.depth}"
    return counts if result.finished else f"not finished: {counts}"


def _move(moved: Moved) -> str:
    return f"{moved.old or 'not there'} -> {moved.new or 'not there'}"


def _reached(behaviour: Behaviour) -> Iterator[str]:
    """What is reached on one side only, and how sure that is."""
    for what, pair in (("rows", behaviour.rows), ("states", behaviour.states)):
        gained, lost = pair
        if gained:
            sure = "newly reached" if behaviour.old.finished else "reached in new only, so far (old is not finished)"
            yield f"{what} {sure}: {', '.join(gained)}"
        if lost:
            sure = (
                "no longer reached" if behaviour.new.finished else "reached in old only, so far (new is not finished)"
            )
            yield f"{what} {sure}: {', '.join(lost)}"


def _walked(behaviour: Behaviour) -> str:
    walked = behaviour.walked
    if walked.apart is not None:
        return f"the shortest story that tells them apart has {_steps(len(walked.apart.old), len(walked.apart.new))}"
    if walked.finished:
        return f"no story tells them apart: {walked.pairs:,} pairs of states, all there are"
    return f"no story of up to {_steps(walked.steps)} tells them apart; not finished: {walked.pairs:,} pairs of states"


def _parting(apart: Apart) -> Iterator[str]:
    """Where they part."""
    if apart.only:
        what = "has no answer to" if apart.refused else "can do"
        yield f"after the same labels only {apart.only} {what} this: {apart.label}"
    for name, (old, new) in apart.seen.items():
        yield f"after the same labels {name} is {_values(old)} in old and {_values(new)} in new"


def _values(values: Iterable[Any]) -> str:
    return " or ".join(map(show, values))


def _shown(apart: Apart) -> Trace:
    """The story to show: that of the side which goes on, else that of the new one."""
    return apart.old if apart.only == "old" else apart.new


def _story(trace: Trace | None) -> Iterator[str]:
    yield from (f"    {line}" for line in (trace.lines() if trace is not None else ()))


def markdown(diff: Diff) -> str:
    """The comparison as a comment of a pull request, ending in a newline."""
    whole = "\n".join(_comment(diff, pictures=True))
    return (whole if len(whole) <= COMMENT else "\n".join(_comment(diff, pictures=False))) + "\n"


def _comment(diff: Diff, pictures: bool) -> Iterator[str]:
    said = escape(summary(diff), quote=False).replace(ARROW, "→")
    yield from (f"**`fsm diff`** {escape(diff.old)} → {escape(diff.new)}: {said}", "")
    whole = [one for one in diff.specs if not one.changes]
    if whole:
        yield from table(("", "spec"), ((BALLS[one.sign], f"{one.sign}: {one.kind} `{one.name}`") for one in whole))
    for one in diff.specs:
        if one.changes:
            yield from (f"### {escape(_named(one))}", "")
            yield from table(("", "what", "how"), (_cells(one, change) for change in one.changes))
        if one.picture is not None and pictures:
            drawn = "```mermaid\n" + mermaid(one.picture) + "```"
            yield from _folded("The machine: what is added in green, removed in red, changed in amber", drawn)
    if not pictures and any(one.picture for one in diff.specs):
        yield from ("The pictures are left out: with them this comment would be too long.", "")
    for behaviour in diff.behaviours:
        yield from _behaviour_comment(behaviour)
    if diff.revised:
        yield from (f"<sub>{WORLD}</sub>", "")
    if diff.untried:
        yield from (f"<sub>{escape(_untried(diff))}</sub>", "")


def _cells(one: Compared, change: Change) -> tuple[str, str, str]:
    if change.sign == CHANGED:
        how = "<br>".join(
            f"{part}: {_code(before, part)} → {_code(after, part)}" for part, before, after in change.parts
        )
    else:
        how = "<br>".join(f"{part} {_code(before or after, part)}".strip() for part, before, after in change.parts)
    return f"{BALLS[change.sign]} {change.sign}", _code(_name(one, change)), how


def _code(said: str, part: str = "") -> str:
    """A text as code; prose as prose."""
    if part == WHY or not said:
        return escape(said, quote=False) or "*nothing*"
    ticks = "``" if "`" in said else "`"
    return f"{ticks}{said}{ticks}"


def _behaviour_comment(behaviour: Behaviour) -> Iterator[str]:
    yield from (f"### Behaviour of `{behaviour.name}`", "")
    yield from table(
        ("", "states", "edges", "depth"),
        (
            (side + ("" if result.finished else " (not finished)"), f"{result.distinct:,}", f"{result.edges:,}",
             str(result.depth))
            for side, result in _sides(behaviour)
        ),
    )  # fmt: skip
    yield from (f"- {escape(line, quote=False)}" for line in _reached(behaviour))
    for moved in behaviour.moved:
        yield f"- `{moved.property}`: {_move(moved).replace('->', '→')}: {escape(moved.why, quote=False)}"
    yield f"- {_walked(behaviour)}"
    apart = behaviour.walked.apart
    yield from (f"- {escape(line, quote=False)}" for line in (_parting(apart) if apart is not None else ()))
    yield ""
    for moved in behaviour.moved:
        if moved.trace is not None:
            yield from _folded(f"The story of {moved.property}, in {moved.side}", _fenced(moved.trace))
    if apart is not None:
        yield from _folded("The shortest story that tells them apart", _fenced(_shown(apart)))


def _fenced(trace: Trace) -> str:
    return "\n".join(["````text", *trace.lines(), "````"])


def _folded(title: str, inside: str) -> Iterator[str]:
    yield from ("<details>", f"<summary>{escape(title)}</summary>", "", inside, "", "</details>", "")


def report(diff: Diff) -> dict[str, Any]:
    """The comparison for programs."""
    return {
        "old": diff.old,
        "new": diff.new,
        "differs": diff.exit_code == 1,
        "specs": [
            {
                "kind": one.kind,
                "name": one.name,
                "sign": one.sign,
                "changes": [
                    {"sign": c.sign, "kind": c.kind, "name": c.name, "parts": {p: [b, a] for p, b, a in c.parts}}
                    for c in one.changes
                ],
                "mermaid": None if one.picture is None else mermaid(one.picture),
            }
            for one in diff.specs
        ],
        "behaviours": [_report(behaviour) for behaviour in diff.behaviours],
        "untried": list(diff.untried),
    }


def _report(behaviour: Behaviour) -> dict[str, Any]:
    walked, apart = behaviour.walked, behaviour.walked.apart
    counts = {
        side: {"distinct": r.distinct, "edges": r.edges, "depth": r.depth, "finished": r.finished}
        for side, r in _sides(behaviour)
    }
    return {
        "name": behaviour.name,
        **counts,
        "rows": {"gained": list(behaviour.rows[0]), "lost": list(behaviour.rows[1])},
        "states": {"gained": list(behaviour.states[0]), "lost": list(behaviour.states[1])},
        "verdicts": {
            m.property: {"old": m.old, "new": m.new, "side": m.side, "trace": m.trace and m.trace.to_json()}
            for m in behaviour.moved
        },
        "walk": {"pairs": walked.pairs, "steps": walked.steps, "finished": walked.finished},
        "apart": None
        if apart is None
        else {
            "label": apart.label,
            "only": apart.only,
            "refused": apart.refused,
            "seen": {n: [[plain(v) for v in old], [plain(v) for v in new]] for n, (old, new) in apart.seen.items()},
            "old": apart.old.to_json(),
            "new": apart.new.to_json(),
        },
    }
