"""The finite domains of variables and payload fields.

    bool · [off, enabling, on] (an enumeration) · "0..5" (bounded integers) · host · "host?" (a host or none) ·
    hosts (a set of hosts) · opaque (carried, never tested)

Hosts are indices 0..n-1 of a pool of n; a set of hosts is a frozenset of indices. An opaque value has no domain to
walk through: guards may not name it.
"""

from __future__ import annotations

import re
import reprlib
from itertools import chain, combinations
from keyword import iskeyword
from typing import Any

from attrs import frozen

from fsm.language.document import Item

Value = Any
"""A value of a domain: bool, int, str, None, frozenset[int], or anything where the domain is opaque."""


@frozen
class Domain:
    """One domain; `kind` is bool, enum, int, host, hosts or opaque."""

    kind: str
    members: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    optional: bool = False

    def __str__(self) -> str:
        if self.kind == "enum":
            return f"[{', '.join(self.members)}]"
        if self.kind == "int":
            return f"{self.low}..{self.high}" if self.low < self.high else "a number"
        return self.kind + ("?" if self.optional else "")

    def values(self, n: int) -> list[Value]:
        """Every value in a pool of `n` hosts, in a fixed order. An opaque domain has the one value None."""
        if self.kind == "bool":
            return [False, True]
        if self.kind == "enum":
            return list(self.members)
        if self.kind == "int":
            return list(range(self.low, self.high + 1))
        if self.kind == "host":
            return [*([None] if self.optional else []), *range(n)]
        if self.kind == "hosts":
            return [frozenset(s) for s in chain.from_iterable(combinations(range(n), k) for k in range(n + 1))]
        return [None]

    def holds(self, value: Value, n: int) -> bool:
        """Whether `value` lies in the domain, in a pool of `n` hosts."""
        if self.kind == "opaque":
            return True
        if self.kind == "hosts":
            return isinstance(value, frozenset) and all(type(h) is int and 0 <= h < n for h in value)
        if self.kind == "bool":
            return isinstance(value, bool)
        if self.kind == "enum":
            return isinstance(value, str) and value in self.members
        if value is None:
            return self.optional
        low, high = (self.low, self.high) if self.kind == "int" else (0, n - 1)
        return type(value) is int and low <= value <= high

    def to_json(self, value: Value) -> Any:
        """`value` as JSON can carry it; sets become sorted lists."""
        return sorted(value) if self.kind == "hosts" else value

    def from_json(self, value: Any) -> Value:
        """The inverse of `to_json`; anything that is not a list stays as it is and fails in `holds`."""
        if self.kind == "hosts" and isinstance(value, list):
            return frozenset(value) if all(isinstance(x, int) for x in value) else value
        return value


def shown(value: Value) -> str:
    """A value in a message: short, whatever it is, and also where it cannot say what it is."""
    try:
        return reprlib.repr(value)
    except Exception:  # a number of more digits than Python writes
        return object.__repr__(value)


_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


def parse_domain(item: Item) -> Domain:
    """The domain that a spec writes: a name, a list of members, or a range `"0..5"`. Errors: `SpecError`."""
    if isinstance(item.value, list):
        members = tuple(member.text("a member of an enumeration") for member in item.value)
        if not members or len(set(members)) < len(members):
            raise item.fail("an enumeration needs members, each once; quote words like 'on'", "bad-type")
        for member, said in zip(members, item.value, strict=True):
            if not member.isidentifier() or iskeyword(member):
                raise said.fail(f"no expression can say the member {member!r}; use letters, digits and _", "bad-type")
        return Domain("enum", members)
    text = item.value if isinstance(item.value, str) else ""
    if text in ("bool", "host", "hosts", "opaque"):
        return Domain(text)
    if text == "host?":
        return Domain("host", optional=True)
    if match := _RANGE.fullmatch(text):
        low, high = int(match[1]), int(match[2])
        if low <= high and high - low < 1000:
            return Domain("int", low=low, high=high)
    raise item.fail(
        "a type is bool, host, 'host?', hosts, opaque, a list of members or a range like '0..5' of at most 1000 values",
        "bad-type",
    )
