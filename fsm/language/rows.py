"""Reads the rows of one machine: the part of the loader that knows what may stand in an edge."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import combinations, islice
from typing import TYPE_CHECKING, NoReturn

from attrs import evolve, frozen

from fsm.errors import SpecError
from fsm.language.assignments import MOST, assignments, pools
from fsm.language.document import Item, suggest
from fsm.language.domains import Domain
from fsm.language.expressions import BOOL, HOSTS, OPAQUE, Expr, NotOne, parse_duration, parse_expression
from fsm.language.spec import ELSE, SAME, Do, Fields, Hook, Ignore, OperationDecl, Port, Row, Serve, Tell, Variable

if TYPE_CHECKING:
    from fsm.language.load import Library

ROW_KEYS = ("from", "on", "after", "if", "to", "do", "set", "tell", "reply", "label", "why")
_CALL = re.compile(r"([a-z]\w*)\.([a-z]\w*)\s*(\(.*\))?", re.DOTALL)
LEAF_DEPTH = 99
MOST_ROWS = 10_000
"""Rows of a machine, one for each state and event of a line; the largest shipped one has 52."""
MOST_PAIRS = 100
"""Pairs of rows without a label that are compared; any number of them may stand in a document from outside."""


def too_many_rows(item: Item) -> SpecError:
    """The error of a line with which a machine has more rows than any should have."""
    message = (
        f"with this line over {MOST_ROWS} pairs of a state and an event have rows; name groups, or split the machine"
    )
    return item.fail(message, "too-large")


def sentence(item: Item) -> str:
    """A reason that says something. Errors: `SpecError` with rule missing-why."""
    why = item.why()
    if len(why.split()) < 2:
        raise item.fail(one_word(why), "missing-why")
    return why


def one_word(why: str) -> str:
    """What is wrong with a reason of one word."""
    return f"'why' is a sentence, not the one word {why!r}: it answers an operator's question"


@frozen
class RowReader:
    """Everything that rows may name."""

    machine: str
    states: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Variable]
    ports: Mapping[str, Port]
    events: Mapping[str, Fields]
    serves: Mapping[str, Serve]
    siblings: Mapping[str, Domain]
    instance: str | None
    parameters: Mapping[str, float]
    library: Library

    def rows(self, item: Item) -> list[Row]:
        """All rows in the order of the file, with their ids. Errors: `SpecError`."""
        rows: list[Row] = []
        for child in item.sequence("rows"):
            rows += self.row(child)
            if len(rows) > MOST_ROWS:
                raise too_many_rows(child)
        shared = Counter(row.id for row in rows)
        rows = [
            evolve(row, label=ELSE, id=f"{row.id}/{ELSE}")
            if shared[row.id] > 1 and row.guard == ELSE and not row.label
            else row
            for row in rows
        ]
        for row_id, count in Counter(row.id for row in rows).items():
            if count > 1:
                self.name_twins([row for row in rows if row.id == row_id], f"{count} rows are {row_id}")
        return rows

    def name_twins(self, twins: Sequence[Row], what: str) -> NoReturn:
        """Rows of one id: two that fire together would only be hidden by a label. Errors: `SpecError`, always."""
        budget = iter(range(MOST))
        for first, second in islice(combinations(twins, 2), MOST_PAIRS):
            case = self.together(first, second, budget)
            if case is not None:
                message = f"{what}, and two of them fire {case}; drop one, or make its guard exclude the other"
                guards = [guard.text if isinstance(guard, Expr) else guard for guard in (first.guard, second.guard)]
                raise SpecError(second.at, message, "duplicate-row" if guards[0] == guards[1] else "guards-overlap")
        message = f"{what}; give all but one a 'label', so that each can be named"
        raise SpecError(twins[1].at, message, "label-missing")

    def together(self, first: Row, second: Row, budget: Iterator[int]) -> str | None:
        """A case in which two rows of one event fire, in words; None where none is found before the budget is spent."""
        if first.guard == second.guard and not isinstance(first.guard, Expr):
            return "always" if first.guard is None else "whenever no other does"
        guards = [guard for guard in (first.guard, second.guard) if isinstance(guard, Expr)]
        scope = self.scope(self.payload(first.event), Item(None, first.at))
        known = pools(scope, guards)
        opaque = any(scope[name].kind == "opaque" for guard in guards for name in guard.names)
        if ELSE in (first.guard, second.guard) or opaque or isinstance(known, int):
            return None
        for pool in known:
            functions = pool.functions(guards)
            for values, _ in zip(assignments(pool), budget, strict=False):
                with suppress(NotOne):
                    if all(function(values) for function in functions):
                        return f"with {pool.show(values)}"
        return None

    def row(self, item: Item) -> list[Row]:
        """The rows of one line: one for each source as written and each event."""
        entry = item.mapping("a row", ROW_KEYS)
        for key in ("from", "to", "why"):
            if key not in entry:
                raise item.fail(f"a row needs the key {key!r}", "missing-why" if key == "why" else "missing-key")
        if ("on" in entry) == ("after" in entry):
            raise item.fail("a row says either 'on' or 'after'", "missing-key")
        why = sentence(entry["why"])
        sources = entry["from"].texts("a state")
        events = entry["on"].texts("an event") if "on" in entry else [entry["after"]]
        if len(sources) * len(events) > MOST_ROWS:
            raise too_many_rows(item)
        return [self._one(entry, source, event, why) for source in sources for event in events]

    def _one(self, entry: Mapping[str, Item], source: Item, event: Item, why: str) -> Row:
        timed = "after" in entry
        name = ("after" if source.value in self.states else f"after {source.value}") if timed else self.event(event)
        duration = str(event.value) if timed else None
        if duration is not None:
            parse_duration(duration, self.parameters, event.at)
        fields = {} if timed else self.payload(name)
        scope = self.scope(fields, event)
        label = entry["label"].text("label") if "label" in entry else ""
        short = "after" if timed else name
        return Row(
            id=f"{self.machine}.{source.value}/{short}" + (f"/{label}" if label else ""),
            sources=self.leaves(source),
            event=name,
            guard=self.guard(entry.get("if"), scope),
            target=self.target(entry["to"]),
            do=self.do(entry["do"], scope) if "do" in entry else None,
            set=self.updates(entry.get("set"), scope),
            tell=self.tells(entry, scope),
            reply=self.reply(entry.get("reply"), scope),
            why=why,
            label=label,
            scope=source.value if timed else None,
            duration=duration,
            at=entry["from"].at,
            depth=self.depth(source.value),
        )

    def hooks(self, item: Item | None) -> dict[str, Hook]:
        """The entry or exit effects by state or group. They see no payload. Errors: `SpecError`."""
        found: dict[str, Hook] = {}
        for name, child in (item.mapping("entry and exit effects") if item else {}).items():
            if name not in self.states and name not in self.groups:
                known = [*self.states, *self.groups]
                raise child.fail(f"there is no state {name!r}{suggest(name, known)}", "unknown-state")
            entry = child.mapping(f"an effect of {name}, which cannot fail,", ("set", "tell", "why"))
            if "why" not in entry:
                raise child.fail(f"the effect of {name} needs the key 'why'", "missing-why")
            scope = self.scope({}, child)
            updates, why = self.updates(entry.get("set"), scope), sentence(entry["why"])
            found[name] = Hook(name, updates, self.tells(entry, scope), why, child.at)
        return found

    def passed(self, item: Item, what: str) -> Ignore:
        """States and events that are ignored or deferred there, and why. Errors: `SpecError`."""
        entry = item.mapping(what, ("in", "on", "why"))
        for key in ("in", "on", "why"):
            if key not in entry:
                raise item.fail(f"{what} says 'in', 'on' and 'why'; {key!r} is missing", "missing-key")
        states = tuple(leaf for source in entry["in"].texts("a state") for leaf in self.leaves(source))
        events = tuple(self.event(event) for event in entry["on"].texts("an event"))
        return Ignore(states, events, entry["why"].why(), item.at)

    def deferred(self, item: Item) -> Ignore:
        """As `passed`; outcomes and timers belong to the state, and the caller of a call waits. Errors: `SpecError`."""
        found = self.passed(item, "a defer")
        unasked = {f"{port.name}.{event}" for port in self.ports.values() for event in port.events}
        for event in found.events:
            if event not in self.events and event not in unasked:
                message = f"{event!r} cannot be deferred, only an event that comes unasked can; add a row"
                raise item.fail(message, "defer-kind")
        return found

    def depth(self, source: str) -> int:
        """How far inside a source is: a leaf beats a group, an inner group beats an outer one, and all beat `*`."""
        if source in self.states:
            return LEAF_DEPTH
        if source == "*":
            return 0
        own, outer_first = set(self.groups[source]), list(self.groups)
        return sum(own <= set(self.groups[name]) for name in outer_first[: outer_first.index(source) + 1])

    def leaves(self, item: Item) -> tuple[str, ...]:
        """The leaf states that a state, a group or `*` stands for. Errors: `SpecError`."""
        name = item.text("a state")
        if name == "*":
            return self.states
        if name in self.groups:
            return self.groups[name]
        if name not in self.states:
            known = [*self.states, *self.groups]
            raise item.fail(f"there is no state {name!r}{suggest(name, known)}", "unknown-state")
        return (name,)

    def target(self, item: Item) -> str:
        """A leaf state, or `same`. Errors: `SpecError`."""
        name = item.text("a state")
        if name in self.groups:
            raise item.fail(f"{name!r} is a group; name the state in it that is entered", "unknown-state")
        if name != SAME and name not in self.states:
            raise item.fail(f"there is no state {name!r}{suggest(name, self.states)}", "unknown-state")
        return name

    def event(self, item: Item) -> str:
        """The name of an event that this machine can receive. Errors: `SpecError`."""
        name = item.text("an event")
        known = [*self.events, *self.serves, "all_ok", "some_failed"]
        if any(serve.cancelled_by for serve in self.serves.values()):
            known.append("cancel")
        for port in self.ports.values():
            known += [f"{port.name}.{event}" for event in port.events]
            for operation in port.operations.values():
                lost = ("lost",) if operation.to_host else ()
                known += [f"{port.name}.{outcome}" for outcome in (*operation.outcomes, *lost)]
        if name not in known:
            raise item.fail(f"there is no event {name!r}{suggest(name, known)}", "unknown-event")
        return name

    def payload(self, event: str) -> Fields:
        """The payload of an event. An outcome's name has one payload a port (the loader of ports sees to it)."""
        if event in self.events:
            return self.events[event]
        if event == "some_failed":
            return {"bad": HOSTS}
        port_name, _, name = event.partition(".")
        port = self.ports.get(port_name)
        if port is None:
            return {}
        if event in self.serves:
            return port.operations[name].arguments
        if name in port.events:
            return port.events[name]
        return next((o.outcomes[name] for o in port.operations.values() if name in o.outcomes), {})

    def scope(self, fields: Fields, item: Item) -> dict[str, Domain]:
        """The names that an expression of a row may use."""
        scope = {name: variable.domain for name, variable in self.variables.items()} | dict(self.siblings)
        if self.instance:
            scope[self.instance] = OPAQUE
        for name, domain in fields.items():
            if name in scope and (name != self.instance or domain.kind != "opaque"):
                raise item.fail(f"the payload field {name!r} hides a variable or machine; rename one", "duplicate-name")
            scope[name] = domain
        return scope

    def guard(self, item: Item | None, scope: Mapping[str, Domain]) -> Expr | str | None:
        """None, `else` or a condition."""
        if item is None:
            return None
        if item.value == ELSE:
            return ELSE
        if isinstance(item.value, bool):
            raise item.fail("a guard that is always true or never is no guard; leave it out", "bad-expression")
        return parse_expression(item.text("a guard"), scope, item.at, BOOL)

    def updates(self, item: Item | None, scope: Mapping[str, Domain]) -> tuple[tuple[str, Expr], ...]:
        """The assignments of a row, all evaluated on the values before it."""
        updates = []
        for name, child in (item.mapping("set") if item else {}).items():
            if name not in self.variables:
                raise child.fail(f"there is no variable {name!r}{suggest(name, self.variables)}", "unknown-name")
            updates.append((name, self.value(child, scope, self.variables[name].domain)))
        return tuple(updates)

    def value(self, item: Item, scope: Mapping[str, Domain], domain: Domain | None) -> Expr:
        """An expression; YAML's own true, false and numbers are expressions too."""
        text = str(item.value).lower() if isinstance(item.value, bool | int) else item.text("a value")
        return parse_expression(text, scope, item.at, domain)

    def arguments(
        self, text: str | None, wanted: Fields, scope: Mapping[str, Domain], item: Item
    ) -> tuple[tuple[str, Expr], ...]:
        """`(name=expression, …)` against the declared fields. Errors: `SpecError`."""
        try:
            call = ast.parse(f"f{text or '()'}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise item.fail(f"{text!r}: write the arguments as (name=expression, …)", "bad-expression") from None
        if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
            raise item.fail(f"{text!r}: write the arguments as (name=expression, …)", "bad-expression")
        given = {str(k.arg): k.value for k in call.keywords}
        if set(given) != set(wanted):
            names = ", ".join(wanted) or "none"
            raise item.fail(f"{item.value!r} takes the arguments: {names}", "bad-arguments")
        return tuple((n, parse_expression(ast.unparse(given[n]), scope, item.at, d)) for n, d in wanted.items())

    def do(self, item: Item, scope: Mapping[str, Domain]) -> Do:
        """An operation: local, `at(host) …`, or fanned out by `each …`, `each other …`, `each(hosts) …`."""
        text = item.text("do").strip()
        targets, joined, rest = self._targets(text, scope, item)
        match = _CALL.fullmatch(rest)
        operation = self._operation(match, item) if match else None
        if match is None or operation is None:
            raise item.fail(f"{text!r}: an operation is written port.operation(argument=…)", "bad-operation")
        if operation.to_host != (targets is not None):
            kind = "a call to hosts: say 'each', 'each other', 'each(…)' or 'at(…)'" if operation.to_host else "local"
            raise item.fail(f"{match[1]}.{match[2]} is {kind}", "bad-operation")
        arguments = self.arguments(match[3], operation.arguments, scope, item)
        return Do(match[1], match[2], arguments, targets, joined, text)

    def _targets(self, text: str, scope: Mapping[str, Domain], item: Item) -> tuple[Expr | None, bool, str]:
        for prefix, hosts in (("each other ", "everybody - {me}"), ("each ", "everybody")):
            if text.startswith(prefix):
                return parse_expression(hosts, scope, item.at, HOSTS), True, text.removeprefix(prefix).strip()
        for prefix, domain in (("each(", HOSTS), ("at(", Domain("host"))):
            if text.startswith(prefix):
                depth, end = 1, len(prefix)
                while end < len(text) and depth:
                    depth += {"(": 1, ")": -1}.get(text[end], 0)
                    end += 1
                inner = parse_expression(text[len(prefix) : end - 1], scope, item.at, domain)
                return inner, domain == HOSTS, text[end:].strip()
        return None, False, text

    def _operation(self, match: re.Match[str], item: Item) -> OperationDecl:
        port = self.ports.get(match[1])
        if port is None:
            raise item.fail(f"there is no port {match[1]!r}{suggest(match[1], self.ports)}", "unknown-name")
        if match[2] in port.signals:
            raise item.fail(
                f"{port.name}.{match[2]} is a signal, which cannot fail; write it under 'tell'", "bad-operation"
            )
        if match[2] not in port.operations:
            known = port.operations
            raise item.fail(f"{port.name} has no operation {match[2]!r}{suggest(match[2], known)}", "unknown-name")
        return port.operations[match[2]]

    def tells(self, entry: Mapping[str, Item], scope: Mapping[str, Domain]) -> tuple[Tell, ...]:
        """What a row or an entry or exit effect tells."""
        return tuple(self.tell(item, scope) for item in (entry["tell"].texts("a tell") if "tell" in entry else []))

    def tell(self, item: Item, scope: Mapping[str, Domain]) -> Tell:
        """An event of a machine of the same host, or a signal of a port."""
        text = item.text("tell").strip()
        match = _CALL.fullmatch(text)
        if match is None:
            raise item.fail(f"{text!r}: a tell is written machine.event(field=…) or port.signal(field=…)", "bad-tell")
        target, name = match[1], match[2]
        if target in self.ports:
            wanted = self.ports[target].signals
            signal = True
            if name in self.ports[target].operations:
                raise item.fail(f"{target}.{name} is an operation, which has outcomes; write it under 'do'", "bad-tell")
        else:
            known = [*self.library.names(), *self.ports]
            if target not in known:
                raise item.fail(f"there is no machine or port {target!r}{suggest(target, known)}", "unknown-name")
            from fsm.language.load import read_events

            document = self.library.machine_document(target)
            wanted = read_events(document.mapping("a machine").get("events"))
            signal = False
        if name not in wanted:
            raise item.fail(f"{target} has no event or signal {name!r}{suggest(name, wanted)}", "unknown-name")
        return Tell(target, name, self.arguments(match[3], wanted[name], scope, item), signal, text)

    def reply(self, item: Item | None, scope: Mapping[str, Domain]) -> tuple[str, tuple[tuple[str, Expr], ...]] | None:
        """The outcome that ends the served call, with its payload."""
        if item is None:
            return None
        text = item.text("reply").strip()
        outcome, bracket, rest = text.partition("(")
        outcomes: dict[str, Fields] = {}
        for call in self.serves:
            port, _, operation = call.partition(".")
            outcomes |= self.ports[port].operations[operation].outcomes
        if outcome not in outcomes:
            raise item.fail(f"no call served here has the outcome {outcome!r}{suggest(outcome, outcomes)}", "bad-reply")
        return outcome, self.arguments((bracket + rest) or None, outcomes[outcome], scope, item)
