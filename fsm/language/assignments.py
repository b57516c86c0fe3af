"""Walks expressions through every value of the names they use, for pools of one to four hosts.

Guards are small and their domains finite, so what a proof would need a solver for is decided by trying all values.
Two things keep that small. A pool's size only matters where a host, a set of hosts or `me` is involved. And hosts are
interchangeable for everything in the language but `lowest`, so without it host 0 stands for every `me`.

Four hosts are enough for every shape that sets of hosts can have in the guards of one row (me, the master, another
live host, a dead one); more would only repeat them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, combinations, product
from math import prod

from attrs import evolve, frozen

from fsm.language.domains import Domain, Value
from fsm.language.expressions import Expr, compatible

LARGEST_POOL = 4
MOST = 1_000_000
"""Assignments that are tried for one (state, event); more would make `check` slow, and the guard unreadable."""

Values = tuple[Value, ...]
Function = Callable[[Values], Value]
_POOL_WORD = re.compile(r"\b(me|everybody)\b")
_WORD = re.compile(r"\w+")


@frozen
class Pool:
    """A pool of `n` hosts seen from host `me`, and the values of the names that are walked through.

    `hosts` says whether it matters how many hosts there are."""

    n: int
    me: int
    names: tuple[str, ...]
    domains: tuple[tuple[Value, ...], ...]
    hosts: bool = True

    def functions(self, expressions: Sequence[Expr]) -> list[Function]:
        """Each expression as a function of the values of `names`."""
        codes = {name: f"p[{index}]" for index, name in enumerate(self.names)}
        return [partial(expression.function(codes, self.me, self.n), None, None) for expression in expressions]

    def show(self, values: Values) -> str:
        """An assignment in the words of a spec, for a message."""
        named = ", ".join(f"{name} = {show(value)}" for name, value in zip(self.names, values, strict=True))
        seat = f"(host {self.me} of {self.n})" if self.hosts else ""
        return f"{named or 'any values'} {seat}".strip()


def show(value: Value) -> str:
    """A value as a spec writes it; hosts by their index."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(str(member) for member in sorted(value)) + "}"
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def values(domain: Domain, n: int) -> tuple[Value, ...]:
    """Every value of a domain; of a machine with instances, every set of states that these can be in."""
    if domain.kind == "enums":
        sizes = range(len(domain.members) + 1)
        return tuple(frozenset(s) for s in chain.from_iterable(combinations(domain.members, k) for k in sizes))
    return tuple(domain.values(n))


def _size(domain: Domain, n: int) -> int:
    """How many values `values` has, without making them."""
    if domain.kind in ("enums", "hosts"):
        return int(2 ** (len(domain.members) if domain.kind == "enums" else n))
    return len(domain.values(n))


def pools(scope: Mapping[str, Domain], expressions: Sequence[Expr]) -> list[Pool] | int:
    """The pools and values to try for some expressions.

    Arguments:
        scope: the domain of every name in them.
        expressions: what is evaluated together.
    Returns: the pools, or the number of assignments where that is more than `MOST`.
    """
    names = tuple(sorted({name for expression in expressions for name in expression.names}))
    hosts = any(scope[name].kind in ("host", "hosts") for name in names)
    hosts = hosts or any(_POOL_WORD.search(expression.template) for expression in expressions)
    ordered = any("f_lowest(" in expression.template for expression in expressions)
    seats = [(n, me) for n in range(1, LARGEST_POOL + 1 if hosts else 2) for me in (range(n) if ordered else range(1))]
    domains = {name: _told_apart(name, scope, names, expressions) for name in names}
    count = sum(prod(_size(domains[name], n) for name in names) for n, _ in seats)
    if count > MOST:
        return count
    return [Pool(n, me, names, tuple(values(domains[name], n) for name in names), hosts) for n, me in seats]


def _told_apart(name: str, scope: Mapping[str, Domain], names: Sequence[str], expressions: Sequence[Expr]) -> Domain:
    """Of the states of a machine, or the members of another enumeration, those that are named, and one that stands for
    all others: conditions only ask whether it is one of a list, unless there is a second name to compare it with."""
    domain = scope[name]
    if domain.kind == "enum":
        others = [scope[other] for other in names if other != name]
        alone = not any(compatible(domain, other) or compatible(other, domain) for other in others)
        if not alone or any(expression.domain.kind != "bool" for expression in expressions):
            return domain
    elif domain.kind != "enums":
        return domain
    words = {word for expression in expressions for word in _WORD.findall(expression.text)}
    other = next((member for member in domain.members if member not in words), None)
    return evolve(domain, members=tuple(m for m in domain.members if m in words or m == other))


def assignments(pool: Pool) -> Iterator[Values]:
    """Every combination of values of the names of a pool."""
    return product(*pool.domains)
