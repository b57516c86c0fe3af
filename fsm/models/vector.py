"""Terms read by numpy: a term becomes a function from columns of packed states to arrays.

Each term gives two functions. *compile*: its value for every state, garbage where it has none, but never an exception.
*fails*: where it has none, or None for a term that always has a value; `and`, `or` and `if` shield what stands behind
them, as they do when Python reads them. So values are computed for whole arrays, and whoever uses them looks first
whether a state is among them that has to be refused.

A *literal* (a slot is this constant, or one of a few values) is a mask and a comparison on the packed states, without
any column; every test of one slot that has few values is one, for it is tried with each. What occurs in several places
is computed once for the same states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve

from fsm.errors import Place, SpecError
from fsm.language.domains import Value
from fsm.models.columns import Columns, Literal, Node, Seen, bits, constant, conversion, misfit, seen
from fsm.models.operations import OPERATIONS, NoValue, within
from fsm.models.operators import FAILURES, OPERATORS
from fsm.models.packing import Packing, cardinality, element_width, raw, value_of
from fsm.models.terms import Apply, Const, Read, Term, Type

if TYPE_CHECKING:
    from fsm.search.space import Packed

FEW = 64
"""A test of one slot with so many values at most is tried with each."""

COMPARED = 5
"""Comparisons with so many patterns at most are faster than a look into a table."""

WIDEST = 1 << 62
"""Numbers beyond this do not fit into an array."""


class Vectors:
    """The functions of terms over states of one packing.

    Errors: `SpecError` (too-large) for numbers and queues that fit into no array.
    """

    def __init__(self, packing: Packing, at: Place) -> None:
        self.packing, self.at = packing, at
        self._nodes: dict[Term, Node] = {}
        self._tests: dict[Literal, Node] = {}
        self._literals: dict[Term, Literal | None] = {}
        self._universes: dict[int, frozenset[int] | None] = {}

    # -- literals

    def literal(self, term: Term) -> Literal | None:
        """The literal that a term is, if it is one."""
        found = self._equality(term)
        if found is not None or not isinstance(term, Apply) or term.type.kind != "bool":
            return found
        if term not in self._literals:
            self._literals[term] = self._few(term)
        return self._literals[term]

    def _equality(self, term: Term) -> Literal | None:
        """A bool, a slot that is a constant, a constant that is in a set, or the opposite of these."""
        fields = self.packing.fields
        if isinstance(term, Read) and term.type.kind == "bool":
            return Literal(fields[term.slot].mask, frozenset({fields[term.slot].mask}), next=term.next)
        if not isinstance(term, Apply):
            return None
        if term.op == "not":
            inner = self.literal(term.args[0])
            return None if inner is None else self.negated(inner)
        if term.op == "or":
            return self._union([self.literal(arg) for arg in term.args])
        if term.op == "==" and any(isinstance(arg, Const) for arg in term.args):
            slot, const = term.args if isinstance(term.args[1], Const) else term.args[::-1]
            if isinstance(slot, Read) and isinstance(const, Const):
                pattern = fields[slot.slot].pattern(const.value)
                patterns = frozenset() if pattern is None else frozenset({pattern})
                return Literal(fields[slot.slot].mask, patterns, next=slot.next)
        if term.op == "in" and isinstance(term.args[0], Const) and isinstance(term.args[1], Read):
            slot, member = term.args[1], term.args[0].value
            place = fields[slot.slot]
            if member is None or not place.type.low <= member <= place.type.high:
                return Literal(place.mask, frozenset(), next=slot.next)
            bit = 1 << (place.shift + member - place.type.low)
            return Literal(bit, frozenset({bit}), next=slot.next)
        return None

    def _union(self, parts: list[Literal | None]) -> Literal | None:
        """One of some literals, where they are about the same bits."""
        known = [part for part in parts if part is not None and part.positive]
        first = known[0] if known else None
        if first is None or len(known) < len(parts) or any((p.mask, p.next) != (first.mask, first.next) for p in known):
            return None
        return evolve(first, patterns=frozenset().union(*(part.patterns for part in known)))

    def _few(self, term: Term) -> Literal | None:
        """Any test of a single slot that has few values: it is tried with each."""
        reads = set(reads_of(term))
        if len(reads) != 1:
            return None
        read = reads.pop()
        values = self._universe(self.packing.fields[read.slot].mask)
        if values is None:
            return None
        place = self.packing.fields[read.slot]
        try:
            held = [v for v in values if evaluated(term, value_of(place.type, v >> place.shift))]
        except NoValue:
            return None
        return Literal(place.mask, frozenset(held), next=read.next)

    def _universe(self, mask: int) -> frozenset[int] | None:
        """The patterns that the bits of a mask may be, where these are a slot with few values, or one bit."""
        if mask not in self._universes:
            place = next((place for place in self.packing.fields if place.mask == mask), None)
            found = None
            if place is not None and place.type.kind not in ("set", "queue"):
                size = cardinality(place.type)
                found = frozenset(v << place.shift for v in range(size)) if size <= FEW else None
            elif mask.bit_count() == 1:
                found = frozenset({0, mask})
            self._universes[mask] = found
        return self._universes[mask]

    def negated(self, literal: Literal) -> Literal:
        """The opposite of a literal."""
        universe = self._universe(literal.mask)
        if universe is None:
            return evolve(literal, positive=not literal.positive)
        return evolve(literal, patterns=universe - literal.patterns)

    def share(self, literal: Literal) -> float:
        """The part of all values for which a literal holds; in how many states it does, nobody knows before."""
        universe = self._universe(literal.mask)
        size = len(universe) if universe is not None else 1 << literal.mask.bit_count()
        return len(literal.patterns) / size

    def test(self, literal: Literal) -> Node:
        """The function of a literal: a comparison for each pattern, or a look into a table where these are many."""
        if literal in self._tests:
            self._tests[literal].shared = True
            return self._tests[literal]
        mask, patterns, wanted = literal.mask, literal.patterns, literal.positive
        universe = self._universe(mask)
        if universe is not None and len(universe - patterns) < len(patterns):
            patterns, wanted = universe - patterns, not wanted
        mask, patterns = fewer(mask, patterns)
        if not patterns:
            node = Node(lambda columns: np.full(len(columns.states), not wanted))
        elif len(patterns) <= COMPARED:
            node = Node(self._compared(mask, patterns, wanted, literal.next))
        else:
            node = Node(self._looked_up(mask, patterns, wanted, literal.next))
        self._tests[literal] = node
        return node

    def _compared(self, mask: int, patterns: frozenset[int], wanted: bool, next: bool) -> Callable[[Columns], Seen]:
        kind = self.packing.kind
        bits, first, *others = kind(mask), *map(kind, sorted(patterns))
        compare, join = (np.equal, np.logical_or) if wanted else (np.not_equal, np.logical_and)
        if not others:
            return lambda columns: compare(columns.of(next) & bits, first)

        def compared(columns: Columns) -> Seen:
            masked = columns.of(next) & bits
            found = compare(masked, first)
            for pattern in others:
                join(found, compare(masked, pattern), out=found)
            return found

        return compared

    def _looked_up(self, mask: int, patterns: frozenset[int], wanted: bool, next: bool) -> Callable[[Columns], Seen]:
        kind, low = self.packing.kind, (mask & -mask).bit_length() - 1
        table = np.full((mask >> low) + 1, not wanted)
        table[[pattern >> low for pattern in patterns]] = wanted
        shift, bits = kind(low), kind(mask >> low)
        return lambda columns: table.take(columns.of(next) >> shift & bits, mode="clip")

    # -- values

    def compile(self, term: Term) -> Node:
        """The value of a term."""
        if term in self._nodes:
            self._nodes[term].shared = True
            return self._nodes[term]
        literal = self.literal(term)
        node = self.test(literal) if literal is not None else self._value(term)
        self._nodes[term] = node
        return node

    def _value(self, term: Term) -> Node:
        if term.type.kind == "int" and max(abs(term.type.low), abs(term.type.high)) > WIDEST:
            said = f"{term.op} may come to" if isinstance(term, Apply) else "a number is"
            raise self.fail(f"{said} more than {WIDEST}")
        if isinstance(term, Const):
            value = constant(term.type, term.value)
            return Node(lambda columns: value)
        if isinstance(term, Read):
            return self._column(term)
        if term.type.kind == "queue" and term.type.most * element_width(term.type) > 62:
            raise self.fail(f"a queue of {term.type.most} elements takes more than 62 bits")
        return Node(OPERATORS[term.op](self, term))

    def fail(self, message: str) -> SpecError:
        """What the fast engine cannot compute."""
        return SpecError(self.at, f"{message}, which is too large for the fast engine: --engine reference", "too-large")

    def _column(self, term: Read) -> Node:
        place, kind = self.packing.fields[term.slot], self.packing.kind
        shift, mask, type = kind(place.shift), kind((1 << place.width) - 1), place.type
        return Node(lambda columns: seen(type, (columns.of(term.next) >> shift & mask).astype(np.int64)))

    def as_type(self, term: Term, type: Type) -> Callable[[Columns], Seen]:
        """The value of a term as one of another type of its kind; garbage where that type does not have it."""
        if isinstance(term, Const):
            bits = raw(type, term.value)
            value = seen(type, np.int64(bits or 0))
            return lambda columns: value
        code, change = self.compile(term), conversion(term.type, type)
        return code if change is None else lambda columns: change(code(columns))

    # -- where there is no value

    def fails(self, term: Term) -> Node | None:
        """Where a term has no value; None for a term that always has one."""
        if not isinstance(term, Apply):
            return None
        if term.op in ("and", "or"):
            return self._shielded(term)
        if term.op == "if":
            return self._chosen(term)
        parts = [part for arg in term.args if (part := self.fails(arg)) is not None]
        own = FAILURES[term.op](self, term) if term.op in FAILURES else None
        return either([*parts, *([Node(own)] if own is not None else [])])

    def _shielded(self, term: Apply) -> Node | None:
        """The first that settles it shields the others."""
        found: Node | None = None
        for arg in reversed(term.args):
            own, settles = self.fails(arg), term.op == "or"
            if found is not None:
                found = _behind(self.compile(arg), found, settles)
            found = either([part for part in (own, found) if part is not None])
        return found

    def _chosen(self, term: Apply) -> Node | None:
        test, then, other = term.args
        parts = [self.fails(test)]
        for branch, settles in ((then, False), (other, True)):
            fails = self.fails(branch)
            parts.append(None if fails is None else _behind(self.compile(test), fails, settles))
        return either([part for part in parts if part is not None])

    def outside(self, term: Term, type: Type) -> Node | None:
        """Where the value of a term is none of a type; None where it always is one."""
        if isinstance(term, Const):
            value = np.bool_(raw(type, term.value) is None)
            return Node(lambda columns: value) if value else None
        code, check = self.compile(term), misfit(term.type, type)
        return None if check is None else Node(lambda columns: check(code(columns)))

    def packed(self, term: Term, slot: int) -> Callable[[Columns], Packed]:
        """The value of a term in the place of a slot, the other bits 0."""
        place, kind = self.packing.fields[slot], self.packing.kind
        code, shift = self.as_type(term, place.type), kind(place.shift)
        return lambda columns: np.asarray(bits(place.type, code(columns))).astype(kind) << shift


def fewer(mask: int, patterns: frozenset[int]) -> tuple[int, frozenset[int]]:
    """The same with less bits and one pattern, where the patterns are all that some of the bits can be."""
    if not patterns:
        return mask, patterns
    free = reduce(or_, patterns) ^ reduce(and_, patterns)
    if len(patterns) != 1 << free.bit_count():
        return mask, patterns
    return mask & ~free, frozenset({min(patterns)})


def reads_of(term: Term) -> Iterator[Read]:
    """The slots that a term reads."""
    if isinstance(term, Read):
        yield term
    elif isinstance(term, Apply):
        for arg in term.args:
            yield from reads_of(arg)


def evaluated(term: Term, value: Value) -> Value:
    """A term that reads one slot, for one value of it. Errors: `NoValue`."""
    if isinstance(term, Const):
        return term.value
    if isinstance(term, Read):
        return value
    if term.op in ("and", "or"):
        return (all if term.op == "and" else any)(evaluated(arg, value) for arg in term.args)
    if term.op == "if":
        return evaluated(term.args[1 if evaluated(term.args[0], value) else 2], value)
    args = [evaluated(arg, value) for arg in term.args]
    return within(args[0], term.type.low, term.type.high) if term.op == "index" else OPERATIONS[term.op](*args)


def _behind(test: Node, fails: Node, settles: bool) -> Node:
    """Where it fails and the test does not come out so that nobody asks."""
    return Node(lambda columns: (~test(columns) if settles else test(columns)) & fails(columns))


def either(parts: list[Node]) -> Node | None:
    """Where any of some tests holds."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return Node(lambda columns: reduce(np.logical_or, [part(columns) for part in parts]))
