"""What is wrong with a machine although it loads: the rules that need the whole table.

`check` gives every finding of one machine, `check_node` those of machines that run together. A rule is a function
from the facts of a machine to findings; `RULES` lists them all. The guards are tried by `fsm.checks.guards`, served
calls followed by `fsm.checks.served`; here stands what is seen from the shape of the table.

Left out: what needs the reachable states of a pool (two masters, a wait that no host ends). That is `fsm verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from fsm.checks.asked_again import asked_again
from fsm.checks.facts import CANCEL, Facts
from fsm.checks.guards import guard_rules
from fsm.checks.progress import spinning, timers_that_stay, told_in_a_circle
from fsm.checks.served import cancellers, ignored_calls, replies, unanswered
from fsm.checks.unused import parts, unused_names
from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.expressions import parse_duration
from fsm.language.load import Library
from fsm.language.rows import LEAF_DEPTH, one_word
from fsm.language.spec import SAME, Do, Machine, Row

Rule = Callable[[Facts], Iterator[SpecError]]


def missing_pairs(facts: Facts) -> Iterator[SpecError]:
    """Every event that can come in a state has a row there, or the machine says that it lets it pass.

    An outcome of the pending operation is never let pass: the state would wait for something that is over."""
    machine = facts.machine
    swallowed: dict[tuple[Place, str], list[str]] = {}
    for state in facts.reachable:
        outcomes = facts.awaited(state)
        for event in dict.fromkeys(e for call in facts.calls(state) for e in facts.coming(state, call)):
            if facts.rows(state, event):
                continue
            ignore = next((i for i in machine.ignores if state in i.states and event in i.events), None)
            if event in outcomes and ignore is not None:
                swallowed.setdefault((ignore.at, event), []).append(state)
            elif event in outcomes or (ignore is None and not machine.deferred(state, event)):
                yield _missing(facts, state, event)
    for (place, event), states in swallowed.items():
        where = ", ".join(states)
        message = f"this swallows {event!r} in {where}, where an operation waits for it; add a row there"
        yield SpecError(place, message, "wildcard-swallows")


def _missing(facts: Facts, state: str, event: str) -> SpecError:
    place = facts.place("states", state)
    if event in facts.awaited(state):
        message = f"{state} waits for an operation that may end in {event!r}, which has no row there; add one"
        return SpecError(place, message, "unhandled-outcome")
    if event == CANCEL:
        message = f"in {state} a call may be cancelled; add a row for 'cancel' with a 'reply'"
    elif event in facts.machine.serves:
        message = f"{state} has no row for the call {event!r}; add one, it may reply 'failed'"
    else:
        message = f"{state} neither has a row for {event!r} nor ignores it; add a row, or an ignore with a why"
    return SpecError(place, message, "missing-pair")


def unreachable_states(facts: Facts) -> Iterator[SpecError]:
    """Some sequence of rows leads to every state."""
    for state in facts.machine.states:
        if state not in facts.reachable:
            message = f"no row that can fire leads to {state} from {facts.machine.initial}; add one, or drop the state"
            yield SpecError(facts.place("states", state), message, "unreachable-state")


def dead_rows(facts: Facts) -> Iterator[SpecError]:
    """Every row can fire in one of its states at least: its event comes there, and no inner row takes it all."""
    alive = {row.id for _, _, rows in facts.groups() for row in rows}
    dead: dict[tuple[Place, str], list[str]] = {}
    for row in facts.machine.rows:
        sources = [state for state in row.sources if state in facts.reachable]
        if sources and row.id not in alive:
            dead.setdefault((row.at, _death(facts, row, sources)), []).append(row.id)
    for (place, reason), ids in dead.items():
        yield SpecError(place, f"{', '.join(ids)}: never fires, for {reason}", "dead-row")


def _death(facts: Facts, row: Row, sources: Sequence[str]) -> str:
    if all(row not in facts.rows(state, row.event) for state in sources):
        return "rows of inner states take its event everywhere; drop it"
    where = sources[0]
    pending = facts.pending(where)
    if facts.passing(where) and pending is not None:
        return f"{where} is left in the same step, by an outcome of {pending.name}; drop it there"
    if row.event == CANCEL:
        return f"no call that can be cancelled is under way in {where}; drop it"
    if row.event in facts.machine.serves:
        return f"a call is always under way in {where} and the node itself refuses another; drop it"
    waits = f"waits for {facts.operation(pending)}" if pending else "waits for no operation"
    return f"{where} {waits}; drop it, or start the operation where {where} is entered"


def dead_ignores(facts: Facts) -> Iterator[SpecError]:
    """Every ignored event is let pass in each of its states (where there are rows, only they decide), and the reason
    is a sentence."""
    for ignore in facts.machine.ignores:
        if len(ignore.why.split()) < 2:
            yield SpecError(ignore.at, one_word(ignore.why), "missing-why")
        for event in ignore.events:
            taken = [state for state in ignore.states if facts.rows(state, event)]
            if taken:
                message = f"{event!r} has rows in {', '.join(taken)}, so nothing is ignored there; drop it here"
                yield SpecError(ignore.at, message, "dead-ignore")
            kept = [state for state in ignore.states if facts.machine.deferred(state, event)]
            if kept:
                message = f"{event!r} is deferred in {', '.join(kept)}, so it is not ignored there; drop one of them"
                yield SpecError(ignore.at, message, "dead-ignore")


def pending_operations(facts: Facts) -> Iterator[SpecError]:
    """A state's pending operation is the state's: all rows into it start the same one, or none does."""
    machine = facts.machine
    for state in machine.states:
        entering = [row for row in machine.rows if row.target == state]
        for row in entering[1:]:
            first, own = (facts.operation(r.do) if r.do else "none" for r in (entering[0], row))
            if first != own:
                message = f"{row.id} enters {state} with {_asks(own)}, but {entering[0].id} with {_asks(first)}"
                yield SpecError(row.at, f"{message}; split the state or make them agree", "pending-disagrees")
    for row in machine.rows:
        if row.target == SAME and row.do is not None and not facts.instant(row.do):
            message = f"{row.id} starts {row.do.name} and stays; name the state that waits for it in 'to'"
            yield SpecError(row.at, message, "pending-disagrees")


def _asks(operation: str) -> str:
    return "no operation" if operation == "none" else f"the operation {operation}"


def resting_places(facts: Facts) -> Iterator[SpecError]:
    """A state that waits for an instant operation is left by each of its outcomes, or asks again."""
    for state in filter(facts.passing, facts.reachable):
        for event in facts.awaited(state):
            for row in facts.rows(state, event):
                if row.target == SAME and not facts.instant(row.do):
                    message = f"{row.id} stays in {state}, where nothing can come any more; name another state in 'to'"
                    yield SpecError(row.at, message, "trap")


def traps(facts: Facts) -> Iterator[SpecError]:
    """A state that is not final can be left, also once what it waits for is over. A machine of one state only answers,
    so it has nowhere to go."""
    machine = facts.machine
    for state in facts.reachable if len(machine.states) > 1 else ():
        events = dict.fromkeys(event for call in facts.calls(state) for event in facts.coming(state, call))
        leaving = {e for e in events for row in facts.rows(state, e) if row.target not in (SAME, state)}
        last = _stays_with_nothing(facts, state)
        if state in machine.final or (leaving and last is None):
            continue
        if not leaving:
            message = f"{state} is never left; add an outcome, an 'after' row or an operator's event, or call it final"
            yield SpecError(facts.place("states", state), message, "trap")
        elif last is not None and leaving <= set(facts.outcomes(last[1])):
            message = f"{last[0].id} stays in {state}, and once {last[1].name} is over nothing leads out of there"
            yield SpecError(last[0].at, f"{message}; name another state in 'to', or add an 'after' row", "trap")


def _stays_with_nothing(facts: Facts, state: str) -> tuple[Row, Do] | None:
    """A row that stays in a state although the operation that the state waits for is over, and that operation."""
    pending = facts.pending(state)
    if pending is None or facts.instant(pending):
        return None
    rows = (row for event in facts.outcomes(pending) for row in facts.rows(state, event))
    return next(((row, pending) for row in rows if row.target == SAME and row.do is None), None)


def initial_state(facts: Facts) -> Iterator[SpecError]:
    """A process starts in the initial state by itself: no row has started an operation or a timer for it."""
    machine, place = facts.machine, facts.place("initial", facts.machine.initial)
    pending = machine.pending(machine.initial)
    if pending is not None:
        message = f"{machine.initial} waits for {pending.name}, which nobody starts at boot; begin in a state of rest"
        yield SpecError(place, message, "initial-waits")
    for row in machine.timers(machine.initial):
        message = f"{machine.initial} has a timer ({row.id}), which nobody starts at boot; begin in a state of rest"
        yield SpecError(place, message, "initial-waits")


def timer_durations(facts: Facts) -> Iterator[SpecError]:
    """The `after` rows of one state or group are one timer, so they name one duration."""
    parameters = {name: float(value) for name, value in facts.machine.parameters.items()}
    first: dict[str, Row] = {}
    for row in facts.machine.rows:
        if row.scope is None:
            continue
        other = first.setdefault(row.scope, row)
        mine, theirs = (parse_duration(str(r.duration), parameters, r.at) for r in (row, other))
        if mine != theirs:
            message = f"{row.scope} has one timer, but {other.id} says {other.duration!r} and {row.id} {row.duration!r}"
            yield SpecError(row.at, f"{message}; use one duration, or a group for the other", "timer-durations")


def dead_hooks(facts: Facts) -> Iterator[SpecError]:
    """Every entry or exit effect does something, and is run by some row: its state or group is entered, or left."""
    run: set[tuple[str, str]] = set()
    for state, _, rows in facts.groups():
        for row in rows:
            left, entered = facts.hooks(row, state)
            run |= {("exit", hook.state) for hook in left} | {("enter", hook.state) for hook in entered}
    machine = facts.machine
    for key, hooks, verb in (("enter", machine.enter, "enters"), ("exit", machine.exit, "leaves")):
        for name, hook in hooks.items():
            if not hook.set and not hook.tell:
                yield SpecError(hook.at, f"the effect of {name} says neither 'set' nor 'tell'; drop it", "dead-hook")
            elif (key, name) not in run:
                yield SpecError(hook.at, f"no row {verb} {name}, so this effect never happens; drop it", "dead-hook")


def defers(facts: Facts) -> Iterator[SpecError]:
    """A deferred event comes in the states that defer it, and some later state takes it."""
    onward: dict[str, set[str]] = {}
    for state, _, rows in facts.groups():
        onward.setdefault(state, set()).update(row.target for row in rows if row.target != SAME)
    for entry in facts.machine.defers:
        if len(entry.why.split()) < 2:
            yield SpecError(entry.at, one_word(entry.why), "missing-why")
        for event in entry.events:
            taken = [state for state in entry.states if facts.rows(state, event)]
            if taken:
                message = f"{event!r} has rows in {', '.join(taken)}, so nothing is deferred there; drop it here"
                yield SpecError(entry.at, message, "dead-defer")
            for state in (s for s in entry.states if s in facts.reachable and s not in taken):
                if not _taken_later(facts, state, event, onward):
                    message = (
                        f"{event!r} is deferred in {state}, and no state that follows has a row for it; add one there"
                    )
                    yield SpecError(entry.at, message, "defer-for-ever")


def _taken_later(facts: Facts, state: str, event: str, onward: Mapping[str, set[str]]) -> bool:
    """Whether a way on leads to a row for the event, through states that defer it too or are only passed."""
    seen, waiting = {state}, [state]
    while waiting:
        new = onward.get(waiting.pop(), set()) - seen
        if any(facts.rows(target, event) for target in new):
            return True
        seen |= new
        waiting += [target for target in new if facts.passing(target) or facts.machine.deferred(target, event)]
    return False


def wildcards(facts: Facts) -> Iterator[SpecError]:
    """What a state waits for is answered by a row of that state: a group or `*` was written with other states in mind.

    A group whose states all wait for the same operation may answer for them, for then it is what the group is for."""
    taken: dict[Row, list[str]] = {}
    for state in facts.reachable:
        for event in facts.awaited(state):
            for row in facts.rows(state, event):
                waits = {do and facts.operation(do) for do in map(facts.pending, row.sources)}
                if row.depth < LEAF_DEPTH and (len(waits) > 1 or None in waits):
                    taken.setdefault(row, []).append(state)
    for row, states in taken.items():
        message = (
            f"{row.id} takes {row.event!r} in {', '.join(states)} as well, where an operation waits for it; "
            f"give {states[0]} a row of its own"
        )
        yield SpecError(row.at, message, "wildcard-swallows")


def same_groups(facts: Facts) -> Iterator[SpecError]:
    """No group has the very states of another: which of the two a row means would not matter, and readers would ask."""
    first: dict[frozenset[str], str] = {}
    for name, leaves in facts.machine.groups.items():
        other = first.setdefault(frozenset(leaves), name)
        if other != name:
            message = f"the groups {other} and {name} have the same states; keep one of them"
            yield SpecError(facts.place("states", name), message, "same-group")


def own_circle(facts: Facts) -> Iterator[SpecError]:
    """A machine that tells itself comes to an end."""
    if any(tell.target == facts.machine.name for part in parts(facts.machine) for tell in part.tell):
        yield from told_in_a_circle([facts.machine])


RULES: tuple[Rule, ...] = (
    missing_pairs,
    unreachable_states,
    dead_rows,
    dead_ignores,
    pending_operations,
    resting_places,
    traps,
    initial_state,
    timer_durations,
    timers_that_stay,
    spinning,
    own_circle,
    asked_again,
    wildcards,
    same_groups,
    dead_hooks,
    defers,
    unused_names,
    ignored_calls,
    cancellers,
    unanswered,
    replies,
    guard_rules,
)


def check(machine: Machine, library: Library) -> list[SpecError]:
    """Every finding about one machine, by place, each once.

    Arguments:
        machine: a machine that has been loaded.
        library: the folder it was loaded from.
    """
    facts = Facts(machine, library)
    found = {(e.place, e.rule, e.message): e for rule in RULES for e in rule(facts)}
    return [found[key] for key in sorted(found)]


def check_node(machines: Sequence[Machine]) -> list[SpecError]:
    """Every finding about machines that run together on one host: whom they tell and look at, who serves what."""
    names = [machine.name for machine in machines]
    found: list[SpecError] = []
    serving: dict[str, Machine] = {}
    if len(machines) > 1:
        found += told_in_a_circle(machines)
    for machine in machines:
        for part in parts(machine):
            who = part.id if isinstance(part, Row) else f"the effect of {part.state}"
            for tell in part.tell:
                if not tell.signal and tell.target not in names:
                    message = f"{who} tells {tell.target!r}, which is not on this host{suggest(tell.target, names)}"
                    found.append(SpecError(part.at, message, "tell-nobody"))
        for sibling in machine.siblings:
            if sibling not in names:
                message = f"{machine.name} looks at {sibling!r}, which is not on this host{suggest(sibling, names)}"
                found.append(SpecError(machine.at, message, "sibling-missing"))
        for call, serve in machine.serves.items():
            other = serving.setdefault(call, machine)
            if other is not machine:
                message = f"{call} is served by {other.name} already; one machine of a host answers a call"
                found.append(SpecError(serve.at, message, "served-twice"))
    return sorted(found, key=lambda error: (error.place, error.rule, error.message))
