"""What the operations of terms do to values, and terms put together so that what is constant is computed at once.

A term that has no value (the head of an empty queue, an index that is none) is left as it is, for a guard before it may
see to it that nobody ever asks; whoever evaluates it then gets `NoValue`.

Left out: how an expression is written (`fsm.models.expressions`), and how terms become Python (`fsm.models.source`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count
from typing import Any

from attrs import evolve

from fsm.language.domains import Value, shown
from fsm.models.terms import BOOL, Apply, Const, Term, Type


class NoValue(Exception):
    """A term that has no value in a state; the message says which value it met, and what would help."""


def the(members: frozenset[int]) -> int:
    """The single member of a set. Errors: `NoValue`."""
    if len(members) != 1:
        raise NoValue(f"the({sorted(members)}) needs exactly one member; ask one(...) before")
    return next(iter(members))


def head(queue: tuple[Value, ...]) -> Value:
    """The first element. Errors: `NoValue`."""
    return at(queue, 0, "head")


def tail(queue: tuple[Value, ...]) -> tuple[Value, ...]:
    """All but the first element. Errors: `NoValue`."""
    return drop(queue, 0, "tail")


def at(queue: tuple[Value, ...], position: int, what: str = "subscript") -> Value:
    """One element. Errors: `NoValue`."""
    if not 0 <= position < len(queue):
        raise _nowhere(what, queue, position)
    return queue[position]


def drop(queue: tuple[Value, ...], position: int, what: str = "drop") -> tuple[Value, ...]:
    """All but one element. Errors: `NoValue`."""
    if not 0 <= position < len(queue):
        raise _nowhere(what, queue, position)
    return queue[:position] + queue[position + 1 :]


def within(value: int | None, low: int, high: int) -> int:
    """A value that lies in low..high. Errors: `NoValue`."""
    if value is None or not low <= value <= high:
        said = "none" if value is None else value
        raise NoValue(f"{said} is outside of {low}..{high}; ask for that before")
    return value


def such(*tests: bool) -> frozenset[int]:
    """The positions of the tests that hold."""
    return frozenset(compress(count(), tests))


def _nowhere(what: str, queue: tuple[Value, ...], position: int) -> NoValue:
    return NoValue(f"{what} of {shown(list(queue))}, which has nothing at {position}; ask for len(...) before")


OPERATIONS: dict[str, Callable[..., Any]] = {
    "and": lambda *tests: all(tests), "or": lambda *tests: any(tests), "not": operator.not_,
    "==": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "min": min, "max": max, "number": lambda index: index, "if": lambda test, then, other: then if test else other,
    "in": lambda index, members: index in members, "&": operator.and_, "|": operator.or_, "\\": operator.sub,
    "set": lambda *members: frozenset(members), "such": such, "size": len, "the": the,
    "len": len, "head": head, "tail": tail, "append": lambda queue, element: (*queue, element), "at": at, "drop": drop,
}  # fmt: skip
"""Each operation on values; `index` needs the bounds of its type besides (`within`)."""

PARTIAL = ("the", "head", "tail", "at", "drop")
"""Those that have no value for some arguments; besides `index`, where the types of its argument and its own say it."""


def whole(low: int, high: int) -> Type:
    """The type of the ints from low to high."""
    return Type("int", low=low, high=high)


def number(value: int) -> Const:
    """An int as a term."""
    return Const(value, whole(value, value))


TRUE, FALSE = Const(True, BOOL), Const(False, BOOL)


def apply(op: str, *args: Term, type: Type = BOOL) -> Term:
    """An operation on terms, computed where all of them are constant and it has a value."""
    if op in ("and", "or"):
        return _joined(op, args)
    if op == "not":
        return negated(args[0])
    if op == "if":
        test, then, other = args
        return _chosen(test, then, other, type)
    if op == "in" and isinstance(args[1], Apply) and args[1].op == "such" and isinstance(args[0], Const):
        return args[1].args[args[0].value]
    if all(isinstance(arg, Const) for arg in args):
        values = [arg.value for arg in args if isinstance(arg, Const)]
        try:
            value = within(values[0], type.low, type.high) if op == "index" else OPERATIONS[op](*values)
        except NoValue:
            return Apply(op, args, type)
        return number(value) if type.kind == "int" else Const(value, type)
    return Apply(op, args, type)


def negated(term: Term) -> Term:
    """Its negation."""
    if isinstance(term, Const):
        return Const(not term.value, BOOL)
    return term.args[0] if isinstance(term, Apply) and term.op == "not" else Apply("not", (term,), BOOL)


def _joined(op: str, args: Iterable[Term]) -> Term:
    """`and` and `or` of any number: flat, and no longer than up to what settles it."""
    neutral, kept = op == "and", list[Term]()
    for arg in args:
        if isinstance(arg, Const):
            if arg.value is not neutral:
                return arg
        elif isinstance(arg, Apply) and arg.op == op:
            kept += arg.args
        else:
            kept.append(arg)
    if len(kept) < 2:
        return kept[0] if kept else Const(neutral, BOOL)
    return Apply(op, tuple(kept), BOOL)


def _chosen(test: Term, then: Term, other: Term, type: Type) -> Term:
    if isinstance(test, Const):
        return then if test.value else other
    if not isinstance(then, Apply) and then == other:
        return then
    if type == BOOL and isinstance(then, Const) and isinstance(other, Const):
        return test if then.value else negated(test)
    return Apply("if", (test, then, other), type)


def arithmetic(op: str, left: Term, right: Term) -> Term:
    """`+ - * // %`, min or max of two ints, with the bounds of the outcome.

    Arguments:
        right: of // and % a constant above 0.
    """
    if op == "+" and number(0) in (left, right):
        return right if left == number(0) else left
    (a, b), (c, d) = ((term.type.low, term.type.high) for term in (left, right))
    if op == "+":
        bounds = [a + c, b + d]
    elif op == "-":
        bounds = [a - d, b - c]
    elif op in ("min", "max"):
        pick = min if op == "min" else max
        bounds = [pick(a, c), pick(b, d)]
    elif op == "%":
        bounds = [a % c, b % c] if a // c == b // c else [0, c - 1]
    else:
        ends = [OPERATIONS[op](x, y) for x in (a, b) for y in (c, d)]
        bounds = [min(ends), max(ends)]
    return apply(op, left, right, type=whole(*bounds))


def folded(op: str, terms: Sequence[Term]) -> Term:
    """`+`, min or max of some ints, by halves: of thousands the term is a dozen deep."""
    half = len(terms) // 2
    return arithmetic(op, folded(op, terms[:half]), folded(op, terms[half:])) if half else terms[0]


def always_contains(wanted: Type, given: Type) -> bool:
    """Whether every value of a term's type lies in another one of that kind."""
    if wanted.kind == "queue":
        return given.most <= wanted.most
    if wanted.kind in ("int", "index"):
        fits = wanted.low <= given.low and given.high <= wanted.high
        return fits and (wanted.optional or not given.optional)
    return True


def valueless(terms: Iterable[Term]) -> bool:
    """Whether one of some terms may have no value in some state, for all that its types say."""
    seen: dict[int, bool] = {}

    def may(term: Term) -> bool:
        if not isinstance(term, Apply):
            return False
        if id(term) not in seen:  # see `measured`: what is asked of each member is there once
            own = term.op in PARTIAL or (term.op == "index" and not always_contains(term.type, term.args[0].type))
            seen[id(term)] = own or any(map(may, term.args))
        return seen[id(term)]

    return any(map(may, terms))


def joint(left: Type, right: Type) -> Type:
    """The smallest type that has the values of both, which are of one kind."""
    low, high, most = min(left.low, right.low), max(left.high, right.high), max(left.most, right.most)
    if left.kind == "int":
        return whole(low, high)
    return evolve(left, optional=left.optional or right.optional, most=most)
