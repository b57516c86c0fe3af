"""The types of a model's variables, and the values that they have.

    bool · [working, done] · "0..n-1" · rm (a member of an index set) · rm? (or none) · set of rm · queue of 0..3

Every type is finite, so that every state can be reached and counted: an int has both its ends, a queue its `most`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, combinations, product
from keyword import iskeyword

from attrs import evolve

from fsm.language.document import Item, suggest
from fsm.language.domains import Value
from fsm.models.expressions import read_expression
from fsm.models.operations import whole
from fsm.models.scope import Reading, Scope, index_type
from fsm.models.terms import Const, Type

MOST_VALUES = 1_000_000
MOST_MEMBERS = 63
"""Of an index set: a set of indices is a number of 64 bits with a sign, in arrays. A queue has no more elements."""
UNBOUNDED = ("int", "integer", "number", "nat")
FORMS = "a type is bool, a list of members, a range as '0..9', an index set, 'set of' one, or 'queue of' a type"


def read_type(item: Item, most: Item | None, scope: Scope, reading: Reading) -> Type:
    """The type that a variable or argument says.

    Arguments:
        item: as written, a list or text.
        most: how many elements a queue has at most; None where nothing is said.
        scope: parameters and index sets.
    Errors: `SpecError` (bad-type, unknown-name).
    """
    text = item.value if isinstance(item.value, str) else ""
    if text.startswith("queue of "):
        if most is None:
            raise item.fail("a queue needs 'most': how many elements it has at most", "bad-type")
        element = read_type(_listed(Item(text.removeprefix("queue of ").strip(), item.at)), None, scope, reading)
        if element.kind in ("queue", "set"):
            raise item.fail("a queue holds numbers, members or indices, not queues or sets", "bad-type")
        return Type("queue", element=element, most=read_number(most, scope, reading, "'most'", 1, MOST_MEMBERS))
    if most is not None:
        raise most.fail("only a queue has 'most'", "unknown-key")
    if isinstance(item.value, list):
        return Type("enum", tuple(_members(item)))
    if text == "bool":
        return Type("bool")
    if ".." in text:
        return _range(item, scope, reading)
    if text in UNBOUNDED:
        raise item.fail(f"the type {text} has no bounds, so its states cannot be counted; write '0..9'", "bad-type")
    name = text.removeprefix("set of ").strip().removesuffix("?")
    if name not in scope.indices:
        near = suggest(name, scope.indices) if re.fullmatch(r"\w+", name) and scope.indices else f"; {FORMS}"
        raise item.fail(f"{item.plain()!r} is no type{near}", "bad-type")
    if text.startswith("set of "):
        if text.endswith("?"):
            raise item.fail(f"{text!r}: a set may be empty, and is never none; write 'set of {name}'", "bad-type")
        return Type("set", high=scope.indices[name] - 1, of=name)
    return index_type(name, scope.indices[name], optional=text.endswith("?"))


def read_number(item: Item, scope: Scope, reading: Reading, what: str, low: int, high: int) -> int:
    """A whole number: an expression over parameters. Errors: `SpecError`, also for one outside of low..high."""
    term = read_expression(said(item, what), scope, item.at, whole(0, 0), reading)
    if not isinstance(term, Const):
        raise item.fail(f"{what} must not change: use numbers and parameters", "bad-value")
    if not low <= term.value <= high:
        raise item.fail(f"{what} is {term.value}; it lies between {low} and {high}", "bad-value")
    number: int = term.value
    return number


def said(item: Item, what: str) -> str:
    """An expression's text; numbers, `true` and `false` may stand without quotes. Errors: `SpecError`."""
    if isinstance(item.value, bool):
        return "true" if item.value else "false"
    return str(item.value) if isinstance(item.value, int) else item.text(what)


def _range(item: Item, scope: Scope, reading: Reading) -> Type:
    low, high = (
        read_number(Item(end.strip(), item.at), scope, reading, f"the {which} end of {item.value!r}", -(2**31), 2**31)
        for which, end in zip(("lower", "upper"), item.value.split("..", 1), strict=True)
    )
    if not 0 <= high - low < MOST_VALUES:
        message = f"{item.value!r} is {low}..{high}; a range has 1 to {MOST_VALUES} values, the lower end first"
        raise item.fail(message, "bad-type")
    return whole(low, high)


def _listed(item: Item) -> Item:
    """`[a, b]` in a text as the list that it is."""
    match = re.fullmatch(r"\[(.*)\]", item.value)
    return Item([Item(part.strip(), item.at) for part in match[1].split(",")], item.at) if match else item


def _members(item: Item) -> Iterator[str]:
    seen: set[str] = set()
    for child in item.value:
        member = child.text("a member of an enumeration")
        if not member.isidentifier() or iskeyword(member):
            taken = " (a word of Python's)" if iskeyword(member) else ""
            message = f"no expression can say the member {member!r}{taken}; use other letters, digits and _"
            raise child.fail(message, "bad-type")
        if member in seen:
            raise child.fail(f"the member {member!r} stands here twice", "bad-type")
        seen.add(member)
        yield member
    if not seen:
        raise item.fail("an enumeration needs members", "bad-type")


def default(type_: Type) -> Value:
    """The value that a variable starts with where nothing is said."""
    if type_.kind == "enum":
        return type_.members[0]
    if type_.kind == "bool":
        return False
    if type_.kind == "set":
        return frozenset()
    return () if type_.kind == "queue" else None if type_.optional else type_.low


def how_many(type_: Type) -> int:
    """How many values a type has."""
    if type_.kind in ("bool", "enum"):
        return len(type_.members) or 2
    if type_.kind == "set":
        return int(2 ** (type_.high + 1))
    if type_.kind == "queue" and type_.element is not None:
        return sum(how_many(type_.element) ** length for length in range(type_.most + 1))
    return type_.high - type_.low + 1 + type_.optional


def values(type_: Type) -> Iterator[Value]:
    """Every value of a type, in a fixed order."""
    if type_.kind == "bool":
        return iter((False, True))
    if type_.kind == "enum":
        return iter(type_.members)
    if type_.kind == "set":
        sizes = range(type_.high + 2)
        return (frozenset(s) for size in sizes for s in combinations(range(type_.high + 1), size))
    if type_.kind == "queue" and type_.element is not None:
        of = list(values(type_.element))
        return chain.from_iterable(product(of, repeat=length) for length in range(type_.most + 1))
    return chain((None,) if type_.optional else (), range(type_.low, type_.high + 1))


def contains(type_: Type, value: Value) -> bool:
    """Whether a value lies in a type; it is of the right kind."""
    if type_.kind == "queue" and type_.element is not None:
        element = type_.element
        return len(value) <= type_.most and all(contains(element, each) for each in value)
    if type_.kind in ("int", "index"):
        return type_.optional if value is None else type_.low <= value <= type_.high
    return True


def certain(type_: Type) -> Type:
    """The type without none."""
    return evolve(type_, optional=False)
