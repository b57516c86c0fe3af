"""Quantifiers and sets that are written out: one term for each member that there may be.

    all(f for x in S if g)      any(f for x in S)      count(f for x in S)      {x for x in S if f}

S is an index set, a term that is a set, or `range(n)` of constants. Of a set that changes, each
member is asked whether it is there.

No member is asked before the others: where the body has no value for one of them, the quantifier has none, whatever the
others say. With `and` and `or` it would depend on who comes first, and members that may be exchanged have no order.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from attrs import evolve

from fsm.models.operations import FALSE, TRUE, apply, folded, negated, number, valueless, whole
from fsm.models.scope import described, index_type
from fsm.models.terms import Const, Term

if TYPE_CHECKING:
    from fsm.models.expressions import ExpressionReader

QUANTIFIERS = ("all", "any", "count")


def quantified(reader: ExpressionReader, name: str, node: ast.GeneratorExp) -> Term:
    """The term of `all`, `any` or `count`."""
    if name == "count":
        return counted(instances(reader, node.generators, node.elt, "and"))
    filtered, op, settles = ("or", "and", FALSE) if name == "all" else ("and", "or", TRUE)
    tests = list(until(settles, instances(reader, node.generators, node.elt, filtered)))
    if settles in tests or len(tests) < 2 or not valueless(tests):
        return apply(op, *tests)
    if name == "any":
        return apply("<", number(0), counted(tests))
    return apply("==", counted(map(negated, tests)), number(0))


def counted(tests: Iterable[Term]) -> Term:
    """How many tests hold; all of them are asked."""
    return folded("+", [number(0), *(apply("if", held, number(1), number(0), type=whole(0, 1)) for held in tests)])


def instances(
    reader: ExpressionReader, loops: list[ast.comprehension], element: ast.expr, filtered: str
) -> Iterator[Term]:
    """The body of a quantifier for each member; `filtered` says what joins it to what was asked of the member:
    "and" that it holds, "or" that it does not."""
    if not loops:
        yield reader.test(element)
        return
    for test, inner in members(reader, loops[0]):
        for body in instances(inner, loops[1:], element, filtered):
            yield apply("and", test, body) if filtered == "and" else apply("or", negated(test), body)


def members(reader: ExpressionReader, loop: ast.comprehension) -> Iterator[tuple[Term, ExpressionReader]]:
    """For each member that there may be whether it is one, and a reader that knows it by its name."""
    if not isinstance(loop.target, ast.Name) or loop.is_async:
        raise reader.fail(f"{ast.unparse(loop.target)!r}: a quantifier has one name, as in 'for x in S'")
    name = loop.target.id
    if name in reader.scope.names():
        raise reader.fail(f"the name {name!r} is taken; use another one in the quantifier", "bad-name")
    for member, test in walked(reader, loop.iter):
        inner = evolve(reader, scope=reader.scope.binding(name, member))
        tests = until(FALSE, chain((test,), (inner.test(asked) for asked in loop.ifs)))
        joined = apply("and", *tests)
        if joined != FALSE:
            yield joined, inner


def walked(reader: ExpressionReader, node: ast.expr) -> Iterator[tuple[Const, Term]]:
    """What a quantifier goes through: members with the term that says whether they are there."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        ends = [reader.count(end) for end in node.args]
        if not 1 <= len(ends) <= 2 or not all(isinstance(end, Const) for end in ends):
            raise reader.fail(f"{ast.unparse(node)!r}: write range(n) with n a constant, and ask for less by 'if'")
        values = [end.value for end in ends if isinstance(end, Const)]
        yield from ((number(value), TRUE) for value in range(*values))
        return
    found = reader.visit(node)
    if found.type.kind != "set":
        raise reader.fail(f"{ast.unparse(node)!r} is {described(found.type)}, not a set or range(n)", "bad-type")
    for value in range(found.type.high + 1):
        member = Const(value, index_type(found.type.of, found.type.high + 1))
        yield member, apply("in", member, found)


def comprehension(reader: ExpressionReader, node: ast.SetComp) -> Term:
    """The term of a set that is written out."""
    loop = node.generators[0]
    target = loop.target.id if isinstance(loop.target, ast.Name) else ""
    if len(node.generators) > 1 or not isinstance(node.elt, ast.Name) or node.elt.id != target:
        raise reader.fail(f"{ast.unparse(node)!r}: a set is written {{x for x in S if ...}}")
    found = {inner.scope.bound[target]: test for test, inner in members(reader, loop)}
    of = reader.visit(loop.iter).type
    if of.kind != "set":
        raise reader.fail(f"{ast.unparse(loop.iter)!r} is {described(of)}, not a set", "bad-type")
    index = index_type(of.of, of.high + 1)
    return apply("such", *(found.get(Const(value, index), FALSE) for value in range(of.high + 1)), type=of)


def until(settles: Const, terms: Iterable[Term]) -> Iterator[Term]:
    """Terms up to the first that settles a conjunction or disjunction."""
    for term in terms:
        yield term
        if term == settles:
            return
