"""The checks that evaluate: guards that overlap or leave a hole, and values that a row could not assign or pass on.

For each (state, event) the guards of its rows are tried with every assignment of the names they use
(`fsm.language.assignments`); a defect is reported with an assignment that shows it. Updates and arguments are tried
only where their row fires: its own guard holds, or for `else` none of the others does. As at run time, the exit
effects of what is left come first, then the row's own, then the entry effects of what is entered; in each of these
blocks `set` sees the values so far, and `do`, `tell` and `reply` those after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from math import prod

from attrs import define, evolve, field, frozen

from fsm.checks.facts import Facts, reply_fields, scope
from fsm.errors import Place, SpecError
from fsm.language.assignments import MOST, Function, Pool, Values, assignments, pools, show
from fsm.language.domains import Domain
from fsm.language.expressions import HOST, HOSTS, Expr, NotOne, compile_source
from fsm.language.load import read_events
from fsm.language.spec import ELSE, Fields, Hook, Row, Tell

Updates = tuple[tuple[str, Expr], ...]
MOST_TOGETHER = 3_000_000
"""Assignments that are tried for one machine, four times what the widest shipped one has; they take some seconds."""


def guard_rules(facts: Facts) -> Iterator[SpecError]:
    """Every finding about the guards, updates and arguments of a machine, each once."""
    groups: dict[tuple[str, ...], bool] = {}
    tried: set[tuple[str, tuple[Hook, ...]]] = set()
    effects: dict[Place, SpecError | None] = {}
    effort = _Effort()
    yield from _lonely(facts)
    for state, event, rows in facts.groups():
        if effort.tried > MOST_TOGETHER:
            message = (
                f"the rows up to here have over {MOST_TOGETHER} assignments to try; use fewer names in their guards"
            )
            yield SpecError(rows[0].at, message, "too-many-assignments")
            return
        group = _Group(facts, state, event, rows, effects, effort)
        key = tuple(row.id for row in rows)
        if key not in groups:
            opaque = list(_opaque(facts, state, event, rows))
            yield from opaque or group.findings()
            groups[key] = not opaque and not group.too_wide
        for row in rows if groups[key] else ():
            left, entered = facts.hooks(row, state)
            if (row.id, (*left, *entered)) not in tried:
                tried.add((row.id, (*left, *entered)))
                for value in _values(facts, row, state):
                    yield from group.value(row, value)


def _lonely(facts: Facts) -> Iterator[SpecError]:
    """Rows whose `else` has no guard beside it, in none of their states: the row with the guard is missing."""
    groups = [rows for _, _, rows in facts.groups()]
    beside = {row for rows in groups if any(isinstance(row.guard, Expr) for row in rows) for row in rows}
    for row in dict.fromkeys(row for rows in groups for row in rows if row.guard == ELSE and row not in beside):
        message = f"{row.id} is the 'else' of no other row; add the row that is missing, or leave out 'if'"
        yield SpecError(row.at, message, "guards-incomplete")


def _opaque(facts: Facts, state: str, event: str, rows: Sequence[Row]) -> Iterator[SpecError]:
    names = scope(facts, event)
    for row in rows:
        passed = [value.expr for value in _values(facts, row, state) if value.expr.text not in names]
        for expr in [row.guard, *passed] if isinstance(row.guard, Expr) else passed:
            for name in sorted(n for n in expr.names if names[n].kind == "opaque"):
                message = f"{name!r} is opaque: it is carried and never tested; give it a type to decide by it"
                yield SpecError(expr.at, message, "opaque-tested")


@frozen
class _Value:
    """An expression of a row that must lie in a domain. `before` are the updates that are done by then, oldest first;
    `effect` says that it belongs to an entry or exit effect, which many rows run."""

    what: str
    expr: Expr
    domain: Domain
    before: tuple[Updates, ...]
    effect: bool = False

    def needed(self) -> list[tuple[Updates, frozenset[str]]]:
        """Of the updates before it those that it depends on, and with each the names that are looked at then."""
        names, found = self.expr.names, list[tuple[Updates, frozenset[str]]]()
        for block in reversed(self.before):
            updates = tuple((name, expr) for name, expr in block if name in names)
            names = names - {name for name, _ in updates} | {n for _, expr in updates for n in expr.names}
            found.insert(0, (updates, names))
        return found


def _values(facts: Facts, row: Row, state: str) -> list[_Value]:
    """Everything that is evaluated when a row fires in a state, but its guard."""
    machine = facts.machine
    left, entered = facts.hooks(row, state)
    before: tuple[Updates, ...] = ()
    found: list[_Value] = []
    blocks: tuple[Hook | Row, ...] = (*left, row, *entered)
    for block in blocks:
        effect = isinstance(block, Hook)
        found += [_Value(f"set {n}", expr, machine.variables[n].domain, before, effect) for n, expr in block.set]
        before = (*before, block.set)
        if isinstance(block, Row):
            found += _asked(facts, block, before)
        for tell in block.tell:
            wanted = _told(facts, tell)
            found += [
                _Value(f"the field {n} of {tell.name}", expr, wanted[n], before, effect) for n, expr in tell.arguments
            ]
    return found


def _asked(facts: Facts, row: Row, before: tuple[Updates, ...]) -> Iterator[_Value]:
    if row.do is not None:
        declared = facts.machine.ports[row.do.port].operations[row.do.operation].arguments
        yield from (_Value(f"the argument {n}", expr, declared[n], before) for n, expr in row.do.arguments)
        if row.do.targets is not None:
            yield _Value("the target", row.do.targets, HOSTS if row.do.joined else HOST, before)
    if row.reply is not None:
        outcome, arguments = row.reply
        wanted = reply_fields(facts.machine, outcome)
        yield from (_Value(f"the field {n} of the reply", expr, wanted[n], before) for n, expr in arguments)


def _told(facts: Facts, tell: Tell) -> Fields:
    if tell.signal:
        return facts.machine.ports[tell.target].signals[tell.name]
    sibling = facts.library.machine_document(tell.target).mapping("a machine")
    return read_events(sibling.get("events"))[tell.name]


@define
class _Effort:
    """How much was tried for one machine."""

    tried: int = 0

    def add(self, found: Sequence[Pool]) -> None:
        self.tried += sum(prod(map(len, pool.domains)) for pool in found)


@define(eq=False)
class _Group:
    """The rows of one (state, event)."""

    facts: Facts
    state: str
    event: str
    rows: tuple[Row, ...]
    effects: dict[Place, SpecError | None]
    effort: _Effort
    too_wide: bool = field(default=False, init=False)
    scope: Fields = field(init=False)
    conditions: list[tuple[Row, Expr]] = field(init=False)
    defects: dict[tuple[str, str], SpecError] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.scope = scope(self.facts, self.event)
        self.conditions = [(row, row.guard) for row in self.rows if isinstance(row.guard, Expr)]

    def findings(self) -> Iterator[SpecError]:
        yield from self.shape()
        guards = [guard for _, guard in self.conditions]
        found = pools(self.scope, guards)
        if isinstance(found, int):
            self.too_wide = True
            yield self.too_many(guards[0], found)
        elif guards:
            self.effort.add(found)
            yield from self.table(found)

    def shape(self) -> Iterator[SpecError]:
        """Defects that show without evaluating: a second `else`, a row without guard among others."""
        where = f"in {self.state}, {self.event}"
        for twin in [row for row in self.rows if row.guard == ELSE][1:]:
            yield SpecError(twin.at, f"{where}: there is another 'else' row; one of them can go", "guards-overlap")
        bare = [row for row in self.rows if row.guard is None]
        if bare and len(self.rows) > 1:
            other = next(row for row in self.rows if row is not bare[0])
            message = (
                f"{where}: the row without 'if' always fires, so {other.id} overlaps it; give it a guard or 'else'"
            )
            yield SpecError(bare[0].at, message, "guards-overlap")

    def table(self, found: Sequence[Pool]) -> Iterator[SpecError]:
        """Evaluates all guards together: overlaps, holes, errors, and rows that never fire."""
        open_ended = any(row.guard is None or row.guard == ELSE for row in self.rows)
        fires: set[int] = set()
        rest = False
        for pool in found:
            patterns = self.patterns(pool)
            if patterns is not None and (open_ended or frozenset() not in patterns):
                fires |= {index for pattern in patterns for index in pattern}
                rest |= frozenset() in patterns
                continue
            functions = pool.functions([guard for _, guard in self.conditions])
            for values in assignments(pool):
                true = self.true(functions, pool, values)
                fires.update(true)
                rest |= not true
                if len(true) > 1:
                    self.overlap(true, pool, values)
                elif not true and not open_ended:
                    self.hole(pool, values)
        yield from self.defects.values()
        for index, (row, guard) in enumerate(self.conditions):
            if index not in fires and (row.id, "not-one") not in self.defects:
                yield SpecError(guard.at, f"this guard is never true, so {row.id} never fires", "dead-row")
        for row in self.rows:
            if row.guard == ELSE and not rest and not self.defects:
                yield SpecError(row.at, f"the other guards leave nothing to the 'else' of {row.id}", "dead-row")

    def patterns(self, pool: Pool) -> set[frozenset[int]] | None:
        """Which guards hold together, over all assignments; None where two do, or one cannot be evaluated.

        One function answers for all guards, as bits: nearly all groups are sound, and this is what `check` spends its
        time on. The defects of the others are looked for one assignment at a time."""
        codes = {name: f"p[{index}]" for index, name in enumerate(pool.names)}
        sources = [
            f"({1 << index} if {guard.source(codes)} else 0)" for index, (_, guard) in enumerate(self.conditions)
        ]
        function = partial(compile_source(" | ".join(sources), pool.me, pool.n), None, None)
        answers: set[int] = set()
        # one guard beside an else, of names that always have a value: nothing more to learn once it was true and false
        enough = 2 if len(self.rows) == 2 and len(sources) == 1 and not _may_fail(self.conditions[0][1]) else MOST
        try:
            for answer in map(function, assignments(pool)):
                answers.add(answer)
                if len(answers) == enough:
                    break
        except NotOne:
            return None
        if any(answer & (answer - 1) for answer in answers):
            return None
        return {frozenset([answer.bit_length() - 1] if answer else []) for answer in answers}

    def true(self, functions: Sequence[Function], pool: Pool, values: Values) -> list[int]:
        """Which guards hold; one that cannot be evaluated is a defect, and does not hold."""
        holding = []
        for index, function in enumerate(functions):
            try:
                if function(values):
                    holding.append(index)
            except NotOne as error:
                row, guard = self.conditions[index]
                message = f"{error} with {pool.show(values)}; ask one(…) or not empty(…) first, joined by 'and'"
                self.defects.setdefault((row.id, "not-one"), SpecError(guard.at, message, "not-one"))
        return holding

    def overlap(self, true: Sequence[int], pool: Pool, values: Values) -> None:
        """Keeps the first assignment under which two rows fire."""
        (first, _), (second, guard) = self.conditions[true[0]], self.conditions[true[1]]
        if (first.id, second.id) not in self.defects:
            message = (
                f"in {self.state}, {self.event}: both {first.id} and {second.id} fire with "
                f"{pool.show(values)}; make one of them exclude it"
            )
            self.defects[first.id, second.id] = SpecError(guard.at, message, "guards-overlap")

    def hole(self, pool: Pool, values: Values) -> None:
        """Keeps the first assignment under which no row fires."""
        if ("", "hole") not in self.defects:
            message = (
                f"in {self.state}, {self.event}: no row fires with {pool.show(values)}; "
                "add a row for it, or one with 'if: else'"
            )
            self.defects["", "hole"] = SpecError(self.rows[0].at, message, "guards-incomplete")

    def too_many(self, expr: Expr, count: int) -> SpecError:
        message = (
            f"in {self.state}, {self.event}: {count} assignments to try, at most {MOST}; "
            "use fewer names here, or decide in two rows"
        )
        return SpecError(expr.at, message, "too-many-assignments")

    def firing(self, row: Row) -> list[tuple[Expr, bool]]:
        """The guards that decide whether a row fires, each with the answer that it must give."""
        if row.guard == ELSE:
            return [(guard, False) for _, guard in self.conditions]
        return [(row.guard, True)] if isinstance(row.guard, Expr) else []

    def value(self, row: Row, value: _Value) -> Iterator[SpecError]:
        """Tries one update or argument: alone first, for most cannot fail, then where its row fires.

        What belongs to an entry or exit effect is tried alone once, and reported for one row."""
        if value.effect and value.expr.at in self.effects and self.effects[value.expr.at] is None:
            return
        alone = self.defect(row, evolve(value, before=()), [])
        if value.effect:
            self.effects[value.expr.at] = alone
        if alone is None:
            return
        finding = self.defect(row, value, self.firing(row))
        if finding is not None:
            if value.effect:
                self.effects[value.expr.at] = None
            yield finding

    def defect(self, row: Row, value: _Value, firing: list[tuple[Expr, bool]]) -> SpecError | None:
        """The first assignment under which the value cannot be had or leaves its domain."""
        needed = value.needed()
        seen = needed[0][1] if needed else value.expr.names
        looked_at = [value.expr, *(expr for updates, _ in needed for _, expr in updates)]
        kept = [evolve(expr, names=expr.names & seen) for expr in looked_at]
        found = pools(self.scope, [*kept, *(guard for guard, _ in firing)])
        if isinstance(found, int):
            return self.too_many(value.expr, found)
        self.effort.add(found)
        wanted = [answer for _, answer in firing]
        for pool in found:
            guards = pool.functions([guard for guard, _ in firing])
            updates, function = _chain(pool, value.expr, [updates for updates, _ in needed])
            if not firing and not needed and not _may_fail(value.expr):
                results = set(map(function, assignments(pool)))
                if all(value.domain.holds(result, pool.n) for result in results):
                    continue
            for values in assignments(pool):
                problem = _problem(values, guards, wanted, updates, function, value.domain, pool.n)
                if problem:
                    case = f" with {pool.show(values)}; let the guard exclude it"
                    said = (
                        problem[0] + case if pool.names or pool.hosts else f"{problem[0]} always; write another value"
                    )
                    return SpecError(value.expr.at, f"{row.id}: {value.what} {said}", problem[1])
        return None


def _chain(pool: Pool, expr: Expr, blocks: Sequence[Updates]) -> tuple[list[list[Function]], Function]:
    """The updates of each block, and an expression that sees them all. Each takes the values of the pool's names,
    followed by what the blocks before it have set."""
    codes = {name: f"p[{index}]" for index, name in enumerate(pool.names)}
    width, found = len(codes), list[list[Function]]()
    for block in blocks:
        found.append([_bound(update, codes, pool) for _, update in block])
        codes |= {name: f"p[{width + index}]" for index, (name, _) in enumerate(block)}
        width += len(block)
    return found, _bound(expr, codes, pool)


def _may_fail(expr: Expr) -> bool:
    """Whether an expression asks for the member of a set that may have none."""
    return "f_the(" in expr.template or "f_lowest(" in expr.template


def _bound(expr: Expr, codes: Mapping[str, str], pool: Pool) -> Function:
    return partial(expr.function(codes, pool.me, pool.n), None, None)


def _problem(
    values: Values,
    guards: Sequence[Function],
    wanted: Sequence[bool],
    updates: Sequence[Sequence[Function]],
    function: Function,
    domain: Domain,
    n: int,
) -> tuple[str, str] | None:
    """What is wrong under one assignment and by which rule; None where nothing is or the row does not fire."""
    try:
        if any(bool(guard(values)) is not answer for guard, answer in zip(guards, wanted, strict=True)):
            return None
        for block in updates:
            values = (*values, *[update(values) for update in block])
    except NotOne:
        return None  # reported where that guard or update stands
    try:
        result = function(values)
    except NotOne as error:
        return f"cannot be had: {error}", "not-one"
    return None if domain.holds(result, n) else (f"would be {show(result)}, which is no {domain},", "out-of-domain")
