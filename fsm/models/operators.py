"""The operations of terms on arrays: what each computes (`OPERATORS`), and where it has no value (`FAILURES`).

Left out: what is the same for all of them (`fsm.models.vector`). Nothing here raises for a value: where a term has
none, the array has garbage, and whoever asks looks at `FAILURES` first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import numpy as np

from fsm.models.columns import Columns, Literal, Node, Seen, element, misfit, stored
from fsm.models.packing import element_width, raw, width
from fsm.models.terms import Apply, Const, Type

if TYPE_CHECKING:
    from fsm.models.vector import Vectors

Code = Callable[[Columns], Seen]


def _arguments(vectors: Vectors, term: Apply) -> list[Node]:
    return [vectors.compile(arg) for arg in term.args]


def _plain(function: Callable[..., Seen]) -> Callable[[Vectors, Apply], Code]:
    """An operation on the values of the arguments alone."""

    def compiled(vectors: Vectors, term: Apply) -> Code:
        codes = _arguments(vectors, term)
        if len(codes) == 1:
            only = codes[0]
            return lambda columns: function(only(columns))
        if len(codes) == 2:
            left, right = codes
            return lambda columns: function(left(columns), right(columns))
        return lambda columns: function(*[code(columns) for code in codes])

    return compiled


def _and(vectors: Vectors, term: Apply) -> Code:
    """Literals that must hold together are one mask and one comparison."""
    mask, pattern, codes = 0, 0, list[Node]()
    for arg in term.args:
        literal = vectors.literal(arg)
        if literal is None or not literal.positive or literal.next or len(literal.patterns) != 1:
            codes.append(vectors.compile(arg))
            continue
        bits = min(literal.patterns)
        if (pattern ^ bits) & mask & literal.mask:
            return lambda columns: np.bool_(False)
        mask, pattern = mask | literal.mask, pattern | bits
    if mask:
        codes.insert(0, vectors.test(Literal(mask, frozenset({pattern}))))
    return lambda columns: reduce(and_, [code(columns) for code in codes])


def _equal(vectors: Vectors, term: Apply) -> Code:
    left, right = term.args[::-1] if isinstance(term.args[0], Const) else term.args
    if isinstance(right, Const) and left.type.kind in ("enum", "set", "queue") and raw(left.type, right.value) is None:
        return lambda columns: np.bool_(False)
    one = vectors.compile(left)
    other = vectors.compile(right) if left.type.kind in ("int", "index") else vectors.as_type(right, left.type)
    if left.type.kind == "queue":
        return lambda columns: _same_queue(one(columns), other(columns))
    return lambda columns: np.equal(one(columns), other(columns))


def _same_queue(one: Seen, other: Seen) -> Seen:
    return (one[0] == other[0]) & (one[1] == other[1])


def _at_most(vectors: Vectors, term: Apply) -> Code:
    """Of two sets: the first has no member that the second has not."""
    sets = term.args[0].type.kind == "set"
    return _plain((lambda one, other: one & ~other == 0) if sets else np.less_equal)(vectors, term)


def _if(vectors: Vectors, term: Apply) -> Code:
    test = vectors.compile(term.args[0])
    then, other = (vectors.as_type(arg, term.type) for arg in term.args[1:])
    if term.type.kind != "queue":
        return lambda columns: np.where(test(columns), then(columns), other(columns))

    def queues(columns: Columns) -> Seen:
        chosen, one, two = test(columns), then(columns), other(columns)
        return np.where(chosen, one[0], two[0]), np.where(chosen, one[1], two[1])

    return queues


def _in(index: Seen, members: Seen) -> Seen:
    return (index >= 0) & (members >> np.clip(index, 0, 62) & 1 != 0)


def _set(*indices: Seen) -> Seen:
    return reduce(or_, [np.where(i >= 0, np.int64(1) << np.clip(i, 0, 62), 0) for i in indices], np.int64(0))


def _such(*tests: Seen) -> Seen:
    return reduce(or_, [np.asarray(t).astype(np.int64) << i for i, t in enumerate(tests)], np.int64(0))


def _bits(vectors: Vectors, term: Apply, weigh: Callable[[int], int]) -> Code:
    """A sum over the members of a set."""
    code, size = vectors.compile(term.args[0]), width(term.args[0].type)

    def summed(columns: Columns) -> Seen:
        members = code(columns)
        return reduce(np.add, [(members >> i & 1) * weigh(i) for i in range(size)], np.int64(0))

    return summed


def _size(vectors: Vectors, term: Apply) -> Code:
    return _bits(vectors, term, lambda i: 1)


def _the(vectors: Vectors, term: Apply) -> Code:
    low = term.args[0].type.low
    return _bits(vectors, term, lambda i: i + low)


def _queue(vectors: Vectors, term: Apply) -> tuple[Node, Type, int]:
    """The first argument, its type, and the bits of its elements."""
    type = term.args[0].type
    return vectors.compile(term.args[0]), type, element_width(type)


def _len(vectors: Vectors, term: Apply) -> Code:
    queue = vectors.compile(term.args[0])
    return lambda columns: queue(columns)[0]


def _at(vectors: Vectors, term: Apply) -> Code:
    queue, type, _ = _queue(vectors, term)
    position = _position(vectors, term, type)
    return lambda columns: element(type, queue(columns)[1], position(columns))


def _position(vectors: Vectors, term: Apply, type: Type) -> Code:
    """Where it looks, brought inside so that no shift is too large; `head` and `tail` look at 0."""
    if len(term.args) < 2:
        return lambda columns: np.int64(0)
    code, last = vectors.compile(term.args[1]), max(type.most - 1, 0)
    return lambda columns: np.clip(code(columns), 0, last)


def _drop(vectors: Vectors, term: Apply) -> Code:
    queue, type, each = _queue(vectors, term)
    position = _position(vectors, term, type)

    def dropped(columns: Columns) -> Seen:
        length, elements = queue(columns)
        at = position(columns) * each
        low = elements & ((np.int64(1) << at) - 1)
        return length - 1, low | (elements >> at >> each << at)

    return dropped


def _append(vectors: Vectors, term: Apply) -> Code:
    given, type, each = term.args[0], term.type, element_width(term.type)
    assert type.element is not None
    queue, added = vectors.as_type(given, type), vectors.as_type(term.args[1], type.element)

    def appended(columns: Columns) -> Seen:
        length, elements = queue(columns)
        return length + 1, elements | stored(type, added(columns)) << np.clip(length, 0, max(type.most - 1, 0)) * each

    return appended


OPERATORS: dict[str, Callable[[Vectors, Apply], Code]] = {
    "and": _and, "or": _plain(lambda *tests: reduce(or_, tests)), "not": _plain(np.logical_not),
    "==": _equal, "<": _plain(np.less), "<=": _at_most, ">": _plain(np.greater), ">=": _plain(np.greater_equal),
    "+": _plain(np.add), "-": _plain(np.subtract), "*": _plain(np.multiply),
    "//": _plain(np.floor_divide), "%": _plain(np.remainder), "min": _plain(np.minimum), "max": _plain(np.maximum),
    "number": _plain(lambda value: value), "index": _plain(lambda value: value), "if": _if,
    "in": _plain(_in), "&": _plain(np.bitwise_and), "|": _plain(np.bitwise_or), "\\": _plain(lambda a, b: a & ~b),
    "set": _plain(_set), "such": _plain(_such), "size": _size, "the": _the,
    "len": _len, "head": _at, "tail": _drop, "append": _append, "at": _at, "drop": _drop,
}  # fmt: skip
"""Operation -> the value of a term of it."""


def _none_there(vectors: Vectors, term: Apply) -> Code:
    """`head tail at drop`: nothing is at that position."""
    queue = vectors.compile(term.args[0])
    if len(term.args) < 2:
        return lambda columns: queue(columns)[0] == 0
    position = vectors.compile(term.args[1])
    return lambda columns: (position(columns) < 0) | (position(columns) >= queue(columns)[0])


def _not_one(vectors: Vectors, term: Apply) -> Code:
    members = vectors.compile(term.args[0])
    return lambda columns: (members(columns) == 0) | (members(columns) & (members(columns) - 1) != 0)


def _no_index(vectors: Vectors, term: Apply) -> Code | None:
    code, check = vectors.compile(term.args[0]), misfit(term.args[0].type, term.type)
    return None if check is None else lambda columns: check(code(columns))


FAILURES: dict[str, Callable[[Vectors, Apply], Code | None]] = {
    "head": _none_there, "tail": _none_there, "at": _none_there, "drop": _none_there, "the": _not_one,
    "index": _no_index,
}  # fmt: skip
"""Operation -> where a term of it has no value although its arguments have."""
