"""Quantifiers in the properties and sets of a system, written out over its hosts and VMs when it is loaded.

    all(size(v) <= 1 for v in vm)                   any(h in acting and h in armed for h in live)
    all(restart[v].resident != none or empty(v) for v in vm)        count(h in acting for h in everybody) <= 1

`for h in S`: S is `everybody` or any other set of hosts, and h is a host. `for v in vm`: `vm` is a kind of instance
of the system, and v stands for its name wherever a name may stand: `v` is the fact that is called like the instance,
`restart[v].resident` the variable, `restart[v]` in a set the state of the machine; of a step property `next_v` and
`next_restart[v].resident` too. Several `for` and `if` may follow one another.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy

from attrs import define, field

from fsm.errors import Place, SpecError
from fsm.language.expressions import CONSTANTS

QUANTIFIERS = ("all", "any", "count")
MOST = 4096
"""Formulas that one quantifier, with those inside it, is written out as."""


def plain(name: str) -> str:
    """A variable's name as an identifier: `restart[v].resident` is `restart_v_resident`."""
    return re.sub(r"\W+", "_", name).strip("_")


@define(eq=False)
class Grounder(ast.NodeTransformer):
    """Writes quantifiers out.

    Arguments:
        hosts: how many there are; in the formula that comes out, the number of a host is a name.
        instances: the names of the instances of each kind.
        at: where the formula stands.
    """

    hosts: int
    instances: Mapping[str, tuple[str, ...]]
    at: Place
    _bound: dict[str, str] = field(factory=dict, init=False)
    _written: int = field(default=0, init=False)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """A quantifier, or any other function."""
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in QUANTIFIERS:
            node.args = [self.visit(argument) for argument in node.args]
            return node
        if len(node.args) != 1 or node.keywords or not isinstance(node.args[0], ast.GeneratorExp):
            raise SpecError(self.at, f"write {name}(… for h in everybody)", "bad-expression")
        cases = list(self._cases(node.args[0].generators, node.args[0].elt))
        if name == "all":
            return _joined(ast.And(), [_joined(ast.Or(), [*map(_not, given), body]) for given, body in cases])
        true = [_joined(ast.And(), [*given, body]) for given, body in cases]
        return _joined(ast.Or(), true) if name == "any" else _count(true)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """What a bound name stands for, also behind `next_`."""
        before, _, after = node.id.rpartition("next_")
        bound = self._bound.get(after if not before else node.id)
        return node if bound is None else ast.Name(node.id[: len(node.id) - len(after)] + bound, ast.Load())

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """`restart[v]` as the name of the machine of one instance."""
        key = self.visit(node.slice)
        if not isinstance(node.value, ast.Name) or not isinstance(key, ast.Name):
            return node
        return ast.Name(plain(f"{node.value.id}[{key.id}]"), ast.Load())

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """`restart[v].resident` as the name of the variable of one instance."""
        machine = self.visit(node.value) if isinstance(node.value, ast.Subscript) else None
        return ast.Name(f"{machine.id}_{node.attr}", ast.Load()) if isinstance(machine, ast.Name) else node

    def _cases(self, fors: list[ast.comprehension], body: ast.expr) -> Iterator[tuple[list[ast.expr], ast.expr]]:
        """The body for each member, with the conditions on which it counts."""
        if not fors:
            self._written += 1
            if self._written > MOST:
                raise SpecError(self.at, f"quantifiers over more than {MOST} cases; say it of fewer", "too-large")
            yield [], self.visit(deepcopy(body))
            return
        first, *others = fors
        if not isinstance(first.target, ast.Name) or first.target.id in CONSTANTS:
            message = f"{ast.unparse(first.target)!r} cannot stand for a host or a VM; write a name, as in 'for h in …'"
            raise SpecError(self.at, message, "bad-expression")
        name, outside = first.target.id, dict(self._bound)
        for member, given in self._members(first.iter):
            self._bound = {**outside, name: member}
            given += [self.visit(deepcopy(condition)) for condition in first.ifs]
            for deeper, leaf in self._cases(others, body):
                yield [*given, *deeper], leaf
            self._bound = outside

    def _members(self, over: ast.expr) -> Iterator[tuple[str, list[ast.expr]]]:
        """What a name stands for in turn, and the condition on which."""
        name = over.id if isinstance(over, ast.Name) and over.id not in self._bound else ""
        if name in self.instances:
            yield from ((key, []) for key in self.instances[name])
            return
        members = self.visit(deepcopy(over))
        for host in map(str, range(self.hosts)):
            inside = ast.Compare(ast.Name(host, ast.Load()), [ast.In()], [members])
            yield host, [] if name == "everybody" else [inside]


def _not(formula: ast.expr) -> ast.expr:
    return ast.UnaryOp(ast.Not(), formula)


def _joined(operator: ast.And | ast.Or, formulas: list[ast.expr]) -> ast.expr:
    """All of some formulas, or any of them; of none what holds of nothing."""
    return ast.BoolOp(operator, formulas) if formulas else ast.Constant(isinstance(operator, ast.And))


def _count(formulas: list[ast.expr]) -> ast.expr:
    """How many hold, in halves, so that the sum of many is not deep."""
    if len(formulas) < 2:
        return ast.IfExp(formulas[0], ast.Constant(1), ast.Constant(0)) if formulas else ast.Constant(0)
    half = len(formulas) // 2
    return ast.BinOp(_count(formulas[:half]), ast.Add(), _count(formulas[half:]))
