"""The functions of the expressions of models: what each takes, and the term that it gives."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from attrs import evolve

from fsm.models.operations import apply, folded, number, whole
from fsm.models.scope import described, index_type
from fsm.models.terms import BOOL, Const, Term, Type

if TYPE_CHECKING:
    from fsm.models.expressions import ExpressionReader

FUNCTIONS = {"empty": 1, "one": 1, "the": 1, "lowest": 1, "size": 1, "len": 1, "head": 1, "tail": 1, "append": 2,
             "drop": 2, "min": 2, "max": 2}  # fmt: skip
"""Their names, and how many arguments they take; min and max take more as well."""


def appended(queue: Term, element: Term) -> Term:
    """A queue with one more element, which is seen to be one of its type."""
    of = queue.type.element
    if of is not None and of.kind == "int" and not of.low <= element.type.low <= element.type.high <= of.high:
        element = apply("index", element, type=of)
    if of is not None and of.kind == "index" and element.type.optional and not of.optional:
        element = apply("index", element, type=of)
    return apply("append", queue, element, type=evolve(queue.type, most=queue.type.most + 1))


def called(reader: ExpressionReader, name: str, args: list[ast.expr], wanted: Type | None) -> Term:
    """A function of what it is given."""
    if name in ("min", "max"):
        return folded(name, [reader.count(arg) for arg in args])
    first = reader.visit(args[0], wanted if name in ("append", "drop", "tail") else None)
    kind = "set" if name in ("empty", "one", "the", "lowest", "size") else "queue"
    if first.type.kind != kind:
        raise reader.fail(f"{ast.unparse(args[0])!r} is {described(first.type)}; {name}() takes a {kind}", "bad-type")
    if kind == "set":
        return of_set(reader, name, first, args[0])
    shorter = evolve(first.type, most=max(first.type.most - 1, 0))
    if name == "append":
        return appended(first, reader.of(args[1], first.type.element or BOOL))
    if name == "drop":
        return apply("drop", first, reader.count(args[1]), type=shorter)
    types = {"len": whole(0, first.type.most), "head": first.type.element or BOOL, "tail": shorter}
    return apply(name, first, type=types[name])


def of_set(reader: ExpressionReader, name: str, members: Term, node: ast.expr) -> Term:
    """A function of a set; the lowest member is chosen by an `if` for each, and `the` has the word for an empty set."""
    count, index = members.type.high + 1, index_type(members.type.of, members.type.high + 1)
    size = apply("size", members, type=whole(0, count))
    if name in ("size", "empty", "one"):
        return size if name == "size" else apply("==", size, number(0 if name == "empty" else 1))
    chosen = apply("the", members, type=index)
    if name == "lowest":
        reader.tell_apart(index.of, f"{ast.unparse(node)!r} is asked for its lowest member")
        for value in reversed(range(count)):
            member = Const(value, index)
            chosen = apply("if", apply("in", member, members), member, chosen, type=index)
    return chosen
