"""The checks of served calls: each is answered on every path, by an outcome that it has, and can be cancelled.

A call that another host has made is under way from its row until a row replies. While it is, the node refuses other
calls by itself; only a call that may cancel it reaches the machine, as `cancel`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.checks.facts import CANCEL, Call, Facts
from fsm.errors import SpecError
from fsm.language.spec import Row


def ignored_calls(facts: Facts) -> Iterator[SpecError]:
    """A call is never ignored: its caller would wait for nothing."""
    for ignore in facts.machine.ignores:
        for call in (event for event in ignore.events if event in (*facts.machine.serves, CANCEL)):
            message = f"the call {call!r} cannot be ignored, somebody waits for it; add a row with 'reply'"
            yield SpecError(ignore.at, message, "ignored-call")


def cancellers(facts: Facts) -> Iterator[SpecError]:
    """What cancels a call must reach the same machine."""
    for serve in facts.machine.serves.values():
        for call in serve.cancelled_by:
            if call not in facts.machine.serves:
                message = f"{call!r} cannot cancel {serve.call}: only a call that this machine serves too reaches it"
                yield SpecError(serve.at, f"{message}; serve it here", "canceller-not-served")


def unanswered(facts: Facts) -> Iterator[SpecError]:
    """From every state with a call under way some row other than `cancel` must lead on to a reply."""
    answered = {pair for pair in facts.pairs if pair[1] is None}
    before: dict[tuple[str, Call], set[tuple[str, Call]]] = {}
    for state, call in facts.pairs:
        for event in (event for event in facts.coming(state, call) if event != CANCEL):
            for row in facts.rows(state, event):
                before.setdefault(facts.after(row, state, event, call), set()).add((state, call))
    for pair in answered & before.keys():  # only a reply leads from a call to none
        answered = answered | {source for source in before[pair] if source[1] is not None}
    waiting = [pair for pair in answered if pair[1] is not None]
    while waiting:
        for source in before.get(waiting.pop(), set()) - answered:
            answered.add(source)
            waiting.append(source)
    for state, call in sorted(facts.pairs - answered, key=str):
        message = f"in {state} the call {call} is under way and no row leads to a reply; its caller waits for ever"
        yield SpecError(facts.place("states", state), message, "no-reply")


def replies(facts: Facts) -> Iterator[SpecError]:
    """A reply ends a call that can be under way there, by one of its own outcomes; `cancel` always replies."""
    ended: dict[Row, set[str]] = {}
    for state, call in sorted(facts.pairs, key=str):
        for event in facts.coming(state, call):
            for row in facts.rows(state, event):
                under_way = event if event in facts.machine.serves else call
                if row.reply:
                    ended.setdefault(row, set()).update([under_way] if under_way else [])
                if event == CANCEL:
                    yield from _cancel(facts, row)
    for row, calls in ended.items():
        if not calls:
            yield SpecError(row.at, f"{row.id} replies, but no call can be under way there", "reply-without-call")
        for call in sorted(calls):
            port, _, operation = call.partition(".")
            outcomes = facts.machine.ports[port].operations[operation].outcomes
            if row.reply and row.reply[0] not in outcomes:
                message = f"{row.id} replies {row.reply[0]!r} to {call}, whose outcomes are {', '.join(outcomes)}"
                yield SpecError(row.at, message, "wrong-reply")


def _cancel(facts: Facts, row: Row) -> Iterator[SpecError]:
    if row.reply is None:
        yield SpecError(row.at, f"{row.id} must 'reply' to the call that it ends", "cancel-without-reply")
    if facts.instant(row.do):
        message = f"{row.id} cannot ask an instant operation: the call that cancels comes first"
        yield SpecError(row.at, message, "cancel-without-reply")
