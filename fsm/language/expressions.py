"""The expression language of guards, updates and durations: a checked subset of Python's syntax.

    decisions and not empty(live & marked - {me})      one(live & marked)      role == me      ha in [on, disabling]
    the(live & marked)      lowest(live)      size(live) >= 2      a if decisions else b      all_in(restart, [idle])

Specs may come from outside, so nothing is evaluated that is not on the list below: an expression is parsed, every
name is resolved against the declared scope, every operator is checked against the domains of its sides, and only
then is it compiled, once. There is no call but to the few functions here, no attribute, no subscript, no power, no
string. `the(S)` is the single member of a set; on another set it raises `NotOne`, which the checks look for.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from keyword import iskeyword
from types import CodeType
from typing import Any

from attrs import field, frozen

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.language.domains import Domain, Value

LONGEST = 400
WRITTEN = "write one such as 'tries + 1' or 'tries < 3 and not armed', with == to compare"
DEEPEST = 40
"""Nesting of one expression; Python's own compiler gives up at 200 brackets, and a reader long before."""
BOOL, INT, HOST, HOSTS = Domain("bool"), Domain("int"), Domain("host"), Domain("hosts")
NONE, OPAQUE = Domain("none"), Domain("opaque")
CONSTANTS: dict[str, tuple[Domain, str]] = {
    "true": (BOOL, "True"),
    "false": (BOOL, "False"),
    "none": (NONE, "None"),
    "me": (HOST, "me"),
    "nobody": (HOSTS, "nobody"),
    "everybody": (HOSTS, "everybody"),
}


class NotOne(Exception):
    """`the(S)` or `lowest(S)` of a set that has no such member."""


def the(members: frozenset[int]) -> int:
    """The single member of a set of hosts. Errors: `NotOne`."""
    if len(members) != 1:
        raise NotOne(f"the({sorted(members)}) needs exactly one member")
    return next(iter(members))


def lowest(members: frozenset[int]) -> int:
    """The member with the lowest index. Errors: `NotOne` for the empty set."""
    if not members:
        raise NotOne("lowest() of the empty set")
    return min(members)


FUNCTIONS: dict[str, tuple[Domain, Domain, Callable[..., Any]]] = {
    "empty": (HOSTS, BOOL, lambda members: not members),
    "one": (HOSTS, BOOL, lambda members: len(members) == 1),
    "the": (HOSTS, HOST, the),
    "lowest": (HOSTS, HOST, lowest),
    "size": (HOSTS, INT, len),
}
GLOBALS: dict[str, Any] = {
    "__builtins__": {},
    "frozenset": frozenset,
    **{f"f_{name}": entry[2] for name, entry in FUNCTIONS.items()},
}
_WORDS = {"and", "or", "not", "in", "if", "else", "is", "True", "False", "None"}
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
            ast.In: "in", ast.NotIn: "not in"}  # fmt: skip
_SETS = {ast.BitAnd: "&", ast.BitOr: "|", ast.Sub: "-"}
_INTS = {ast.Add: "+", ast.Sub: "-"}


@frozen
class Expr:
    """A checked expression: its text, the names it uses, the domain of its value, and Python source with the
    placeholders `{name}` where a name's value is read."""

    text: str
    names: frozenset[str]
    domain: Domain
    template: str = field(repr=False)
    at: Place = field(eq=False, repr=False)

    def source(self, codes: Mapping[str, str]) -> str:
        """Python source that reads each name by the code given for it."""
        return re.sub(r"\{(\w+)\}", lambda m: codes[m[1]], self.template)

    def function(self, codes: Mapping[str, str], me: int, n: int) -> Callable[[Any, Any, Any], Value]:
        """The expression as a function of (local, pool, payload) for host `me` of `n`."""
        return compile_source(self.source(codes), me, n)


def compile_source(source: str, me: int, n: int) -> Callable[[Any, Any, Any], Value]:
    """Checked source as a function of (local, pool, payload)."""
    scope = {**GLOBALS, "me": me, "nobody": frozenset(), "everybody": frozenset(range(n))}
    # the source is made from checked nodes only, never from a spec's text
    function: Callable[[Any, Any, Any], Value] = eval(_code(source), scope)
    return function


@lru_cache(maxsize=1024)
def _code(source: str) -> CodeType:
    """Compiling takes longer than all else that is done with most expressions, and the checks want each of them for
    pools of several sizes."""
    return compile(f"lambda L, P, p: {source}", "<spec>", "eval")


class _Checker:
    """Walks a parsed expression once and yields (source template, domain) of every node."""

    def __init__(self, scope: Mapping[str, Domain], at: Place) -> None:
        self.scope, self.at = scope, at
        self.names: set[str] = set()
        self.depth = 0

    def fail(self, message: str, rule: str = "bad-expression") -> SpecError:
        return SpecError(self.at, message, rule)

    def visit(self, node: ast.expr, wanted: Domain | None = None) -> tuple[str, Domain]:
        """`wanted` is the domain of the other side: it gives a bare word its meaning as a member."""
        method = getattr(self, f"visit_{type(node).__name__}", None)
        if method is None:
            raise self.fail(f"{ast.unparse(node)!r} is not part of the expression language; {WRITTEN}")
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.fail(f"an expression nested deeper than {DEEPEST}; decide in two rows")
        result: tuple[str, Domain] = method(node, wanted)
        self.depth -= 1
        return result

    def visit_Constant(self, node: ast.Constant, wanted: Domain | None) -> tuple[str, Domain]:
        if type(node.value) is bool:
            return repr(node.value), BOOL
        if type(node.value) is int and abs(node.value) < 2**31:
            return repr(node.value), INT
        remedy = "names stand without quotes" if isinstance(node.value, str) else "write numbers, names and sets only"
        raise self.fail(f"{node.value!r}: {remedy}")

    def visit_Name(self, node: ast.Name, wanted: Domain | None) -> tuple[str, Domain]:
        name = node.id
        if wanted is not None and wanted.kind == "enum" and name in wanted.members and name not in self.scope:
            return repr(name), wanted
        if name in self.scope:
            self.names.add(name)
            return f"{{{name}}}", self.scope[name]
        if name in CONSTANTS:
            domain, code = CONSTANTS[name]
            return code, domain
        known = [*self.scope, *CONSTANTS, *(wanted.members if wanted else ())]
        raise self.fail(f"unknown name {name!r}{suggest(name, known)}", "unknown-name")

    def visit_BoolOp(self, node: ast.BoolOp, wanted: Domain | None) -> tuple[str, Domain]:
        word = " and " if isinstance(node.op, ast.And) else " or "
        return "(" + word.join(self.of(value, BOOL) for value in node.values) + ")", BOOL

    def visit_UnaryOp(self, node: ast.UnaryOp, wanted: Domain | None) -> tuple[str, Domain]:
        if isinstance(node.op, ast.Not):
            return f"(not {self.of(node.operand, BOOL)})", BOOL
        if isinstance(node.op, ast.USub):
            return f"(-{self.of(node.operand, INT)})", INT
        raise self.fail(f"{ast.unparse(node)!r} is not part of the expression language; {WRITTEN}")

    def visit_IfExp(self, node: ast.IfExp, wanted: Domain | None) -> tuple[str, Domain]:
        body, domain = self.visit(node.body, wanted)
        other, other_domain = self.visit(node.orelse, wanted or domain)
        if not compatible(domain, other_domain):
            raise self.fail(f"both sides of {ast.unparse(node)!r} must have one type")
        return (
            f"({body} if {self.of(node.test, BOOL)} else {other})",
            other_domain if domain == NONE else domain,
        )

    def visit_Set(self, node: ast.Set, wanted: Domain | None) -> tuple[str, Domain]:
        return "frozenset((" + "".join(self.of(e, HOST) + ", " for e in node.elts) + "))", HOSTS

    def visit_BinOp(self, node: ast.BinOp, wanted: Domain | None) -> tuple[str, Domain]:
        left, domain = self.visit(node.left)
        table: dict[Any, str] = _SETS if domain.kind == "hosts" else _INTS
        if domain.kind not in ("hosts", "int") or type(node.op) not in table:
            raise self.fail(f"{ast.unparse(node)!r}: only sets (& | -) and integers (+ -) can be combined")
        domain = HOSTS if domain.kind == "hosts" else INT
        return f"({left} {table[type(node.op)]} {self.of(node.right, domain)})", domain

    def visit_Call(self, node: ast.Call, wanted: Domain | None) -> tuple[str, Domain]:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("all_in", "any_in") and len(node.args) == 2 and not node.keywords:
            return self.quantifier(name, *node.args)
        if name not in FUNCTIONS or len(node.args) != 1 or node.keywords:
            known = [*FUNCTIONS, "all_in", "any_in"]
            raise self.fail(f"{ast.unparse(node)!r}: no such function{suggest(name, known)}", "unknown-name")
        takes, gives, _ = FUNCTIONS[name]
        return f"f_{name}({self.of(node.args[0], takes)})", gives

    def quantifier(self, name: str, left: ast.expr, right: ast.expr) -> tuple[str, Domain]:
        source, domain = self.visit(left)
        if domain.kind != "enums":
            raise self.fail(f"{name}() takes the name of a machine with instances")
        members = self.members(right, Domain("enum", domain.members))
        return (f"({source} <= {members})" if name == "all_in" else f"(not {source}.isdisjoint({members}))"), BOOL

    def members(self, node: ast.expr, wanted: Domain) -> str:
        if not isinstance(node, (ast.List, ast.Tuple)) or not node.elts:
            raise self.fail(f"{ast.unparse(node)!r}: write a list of members")
        return "frozenset((" + "".join(self.of(e, wanted) + ", " for e in node.elts) + "))"

    def visit_Compare(self, node: ast.Compare, wanted: Domain | None) -> tuple[str, Domain]:
        if len(node.ops) != 1:
            raise self.fail(f"{ast.unparse(node)!r}: compare two things at a time")
        op, right_node = type(node.ops[0]), node.comparators[0]
        if op not in _COMPARE:
            raise self.fail(f"{ast.unparse(node)!r} is not part of the expression language; {WRITTEN}")
        left, domain = self.visit(node.left)
        word = _COMPARE[op]
        if op in (ast.In, ast.NotIn):
            listed = isinstance(right_node, (ast.List, ast.Tuple))
            if not listed and domain.kind == "enum":
                left_text, right_text = ast.unparse(node.left), ast.unparse(right_node)
                raise self.fail(f"write the members in brackets: {left_text} {word} [{right_text}]")
            right = self.members(right_node, domain) if listed else self.of(right_node, HOSTS)
            if not listed and domain.kind not in ("host", "none"):
                raise self.fail(f"{ast.unparse(node.left)!r} is no host, so it is in no set of hosts")
            return f"({left} {word} {right})", BOOL
        right, right_domain = self.visit(right_node, domain)
        ordered = op not in (ast.Eq, ast.NotEq)
        if not compatible(domain, right_domain) or (ordered and domain.kind not in ("int", "hosts")):
            raise self.fail(f"{ast.unparse(node)!r}: cannot compare {domain} with {right_domain}")
        return f"({left} {word} {right})", BOOL

    def of(self, node: ast.expr, wanted: Domain) -> str:
        """The source of a node that must have the domain `wanted`."""
        source, domain = self.visit(node, wanted)
        if not compatible(wanted, domain):
            raise self.fail(f"{ast.unparse(node)!r} is {domain}, but {wanted} is needed here", "bad-type")
        return source


def compatible(wanted: Domain, given: Domain) -> bool:
    """Whether a value of `given` may stand where `wanted` is needed; bounds are checked by evaluation, not here."""
    if OPAQUE.kind in (wanted.kind, given.kind):
        return wanted.kind == given.kind
    if "none" in (wanted.kind, given.kind):
        return {wanted.kind, given.kind} <= {"none", "host"}
    if wanted.kind == "enum":
        return given.kind == "enum" and set(given.members) <= set(wanted.members)
    return wanted.kind == given.kind


def parse_expression(
    text: str,
    scope: Mapping[str, Domain],
    at: Place,
    wanted: Domain | None = None,
    rewrite: Callable[[ast.expr], ast.expr] | None = None,
) -> Expr:
    """A checked expression.

    Arguments:
        text: the expression as written.
        scope: the domain of every name that may stand in it.
        at: where it stands, for messages.
        wanted: the domain its value must have; None takes any.
        rewrite: what becomes of the parsed expression before it is checked.
    Errors: `SpecError` with rule bad-expression, unknown-name or bad-type.
    """
    if len(text) > LONGEST:
        raise SpecError(at, f"an expression of {len(text)} characters; at most {LONGEST}", "bad-expression")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        tree = rewrite(tree) if rewrite is not None else tree
        checker = _Checker(scope, at)
        if wanted is not None and wanted.kind == "opaque" and not isinstance(tree, ast.Name):
            raise SpecError(at, f"{text!r}: an opaque value is only ever passed on by its name", "bad-type")
        source, domain = checker.visit(tree, wanted)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        taken = next((word for word in re.findall(r"\w+", text) if iskeyword(word) and word not in _WORDS), None)
        remedy = WRITTEN if taken is None else f"{taken!r} is a word of Python's, so use another name"
        raise SpecError(at, f"{text!r} is not an expression; {remedy}", "bad-expression") from None
    if wanted is not None and not compatible(wanted, domain):
        raise SpecError(at, f"{text!r} is {domain}, but {wanted} is needed here", "bad-type")
    return Expr(text.strip(), frozenset(checker.names), domain, source, at)


_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
_TERM = re.compile(r"\s*(?:(\d+(?:\.\d+)?)\s*(ms|s|min)?|([A-Za-z_]\w*)|([-+*/()]))")


def parse_duration(text: str, parameters: Mapping[str, float], at: Place) -> float:
    """Seconds of a duration such as `"5s"`, `"2*T"` or `"T + 60s"`.

    Arguments:
        text: numbers with the units ms, s or min, names of parameters, and + - * / ( ).
        parameters: each parameter's value, in seconds where it is a time.
        at: where it stands, for messages.
    Errors: `SpecError` with rule bad-duration.
    """
    source, position = "", 0
    while position < len(text.rstrip()) and len(text) <= LONGEST:
        term = _TERM.match(text, position)
        if term is None:
            break
        number, unit, name, operator = term.groups()
        if name is not None and name not in parameters:
            known = suggest(name, parameters) if parameters else "; state.yaml declares none"
            raise SpecError(at, f"unknown parameter {name!r}{known}; units are ms, s and min", "unknown-name")
        source += operator or repr(float(number) * _UNITS.get(unit, 1.0) if number else float(parameters[name]))
        position = term.end()
    try:
        if position < len(text.rstrip()) or not source or "**" in source or "//" in source:
            raise SyntaxError
        seconds = float(eval(compile(source, "<duration>", "eval"), {"__builtins__": {}}))  # numbers only
    except (
        SyntaxError,
        ValueError,
        TypeError,
        NameError,  # a number so long that it is written as inf
        ZeroDivisionError,
        OverflowError,
        RecursionError,
        MemoryError,
    ):
        raise SpecError(at, f"{text!r} is no duration; write one like '5s' or '2*T'", "bad-duration") from None
    if not 0 <= seconds < 1e9:
        raise SpecError(at, f"{text!r} is {seconds} s; a duration lies between 0 and 1e9 s", "bad-duration")
    return seconds
