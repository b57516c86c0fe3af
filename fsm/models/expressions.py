"""The expressions of models: the language of machines (`fsm.language.expressions`), and what data needs besides.

    state[r] == working      all(x in said for x in rm)      count(up[t] for t in thread)      {x for x in rm if up[x]}
    flag[turn]      (p + 1) % n      min(3, small + big)      tail(q)      append(q, bit)      drop(q, i)      q[0]

An expression is read where all parameters and arguments are known, so reading it writes it out: a quantifier becomes
one term for each member, `state[r]` a slot, `flag[turn]` an `if` for each turn there is. What follows a part of `and`,
`or` or `if` that settles it is not looked at, so `x < n - 1 and level[x + 1] == 0` is sound for the last x.

Nothing is evaluated that is not on the list below: each node of Python's syntax has a method here, or is refused.

Members of an index set are told apart by whatever makes a number of one, or one of a number: arithmetic, order, a
constant. That is allowed, and noted (`Reading.told_apart`), for such members are not interchangeable.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from keyword import iskeyword
from typing import Any

from attrs import define, evolve, field, frozen

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.models.operations import FALSE, TRUE, apply, arithmetic, joint, negated, number, whole
from fsm.models.terms import BOOL, Const, Read, Term, ToldApart, Type

LONGEST = 2000
DEEPEST = 40
MOST_TERMS = 1_000_000
"""Nodes that are looked at while a model is written out; more than that would not fit into anybody's patience."""
WRITTEN = "write one such as 'tries + 1' or 'tries < 3 and not armed', with == to compare"
NONE = Type("none")
WORDS = {"true": TRUE, "false": FALSE, "none": Const(None, NONE)}
FUNCTIONS = {"empty": 1, "one": 1, "the": 1, "lowest": 1, "size": 1, "len": 1, "head": 1, "tail": 1, "append": 2,
             "drop": 2, "min": 2, "max": 2}  # fmt: skip
QUANTIFIERS = ("all", "any", "count")
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SETS = {ast.BitAnd: "&", ast.BitOr: "|", ast.Sub: "\\"}
_INTS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%"}
_PYTHON = {"and", "or", "not", "in", "if", "else", "is", "for", "True", "False", "None"}


@frozen
class Array:
    """The slots of a variable: `sizes` of the index sets `each`, the last index running fastest from slot `first`."""

    name: str
    type: Type
    each: tuple[str, ...]
    sizes: tuple[int, ...]
    first: int

    def slot(self, index: tuple[int, ...]) -> int:
        """The number of the slot of an index."""
        place = 0
        for at, size in zip(index, self.sizes, strict=True):
            place = place * size + at
        return self.first + place


@frozen
class Scope:
    """What names mean: `bound` parameters and arguments, `indices` sizes of index sets, variables; with `next` a
    variable also as it is after the step."""

    bound: Mapping[str, Const] = field(factory=dict)
    indices: Mapping[str, int] = field(factory=dict)
    variables: Mapping[str, Array] = field(factory=dict)
    next: bool = False

    def names(self) -> list[str]:
        """Everything that may be written as a name."""
        after = [f"next_{name}" for name in self.variables] if self.next else []
        return [*self.bound, *self.indices, *self.variables, *after, *WORDS]

    def binding(self, name: str, value: Const) -> Scope:
        """The same with one more name."""
        return evolve(self, bound={**self.bound, name: value})


@define
class Reading:
    """What is kept while a model is read: how much was looked at, and what tells indices apart."""

    told_apart: dict[str, ToldApart] = field(factory=dict)
    looked_at: int = 0


def index_type(name: str, size: int, optional: bool = False) -> Type:
    """The type of the members of an index set."""
    return Type("index", high=size - 1, of=name, optional=optional)


def described(type_: Type) -> str:
    """A type in the words of a spec."""
    if type_.kind == "enum":
        return f"[{', '.join(type_.members)}]"
    if type_.kind == "int":
        return f"a number of {type_.low}..{type_.high}"
    if type_.kind == "index":
        return type_.of + ("?" if type_.optional else "")
    if type_.kind == "set":
        return f"set of {type_.of}"
    if type_.kind == "queue" and type_.element is not None:
        return f"queue of {described(type_.element)}"
    return type_.kind


def read_expression(text: str, scope: Scope, at: Place, wanted: Type | None, reading: Reading) -> Term:
    """The term of an expression.

    Arguments:
        text: as written.
        scope: what its names mean.
        at: where it stands.
        wanted: the type of its value; None takes any. Bounds of ints and lengths of queues are not looked at here.
        reading: what is kept.
    Errors: `SpecError` with rule bad-expression, unknown-name, bad-type, bad-value or too-large.
    """
    tree = parsed(text, at)
    try:
        reader = ExpressionReader(text, scope, at, reading)
        return reader.of(tree, wanted) if wanted is not None else reader.visit(tree)
    except RecursionError:
        raise SpecError(at, f"{text!r} is nested too deep", "bad-expression") from None


def parsed(text: str, at: Place) -> ast.expr:
    """The syntax of an expression. Errors: `SpecError` (bad-expression)."""
    if len(text) > LONGEST:
        raise SpecError(at, f"an expression of {len(text)} characters; at most {LONGEST}", "bad-expression")
    try:
        return ast.parse(" ".join(text.split()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        taken = next((word for word in re.findall(r"\w+", text) if iskeyword(word) and word not in _PYTHON), None)
        remedy = WRITTEN if taken is None else f"{taken!r} is a word of Python's, so use another name"
        raise SpecError(at, f"{text!r} is not an expression; {remedy}", "bad-expression") from None


@define
class ExpressionReader:
    """Walks the syntax of one expression and gives a term for every node."""

    text: str
    scope: Scope
    at: Place
    reading: Reading
    depth: int = 0

    def fail(self, message: str, rule: str = "bad-expression") -> SpecError:
        return SpecError(self.at, message, rule)

    def refused(self, node: ast.expr) -> SpecError:
        return self.fail(f"{ast.unparse(node)!r} is not part of the expression language; {WRITTEN}")

    def visit(self, node: ast.expr, wanted: Type | None = None) -> Term:
        """The term of a node; `wanted` gives a bare word its meaning as a member, and `[]` and `{}` theirs."""
        method = getattr(self, f"visit_{type(node).__name__}", None)
        if method is None:
            raise self.refused(node)
        self.depth += 1
        self.reading.looked_at += 1
        if self.depth > DEEPEST:
            raise self.fail(f"an expression nested deeper than {DEEPEST}; use a variable for a part of it")
        if self.reading.looked_at > MOST_TERMS:
            remedy = "take smaller parameters, or fewer arguments and quantifiers inside of each other"
            raise self.fail(f"written out, the model has over {MOST_TERMS} terms; {remedy}", "too-large")
        term: Term = method(node, wanted)
        self.depth -= 1
        return term

    def of(self, node: ast.expr, wanted: Type) -> Term:
        """The term of a node whose value must be of a type."""
        return self.fit(self.visit(node, wanted), wanted, node)

    def test(self, node: ast.expr) -> Term:
        return self.of(node, BOOL)

    def count(self, node: ast.expr) -> Term:
        return self.of(node, whole(0, 0))

    def fit(self, term: Term, wanted: Type, node: ast.expr) -> Term:
        """A term where a type is wanted: an index may stand for a number and a number for an index."""
        given, kind = term.type, wanted.kind
        if kind == "int" and given.kind == "index":
            return self.numbered(term, node)
        if kind == "index" and given.kind == "int":
            self.tell_apart(wanted.of, node)
            if isinstance(term, Const) and not wanted.low <= term.value <= wanted.high:
                message = f"{ast.unparse(node)!r} is {term.value}, but {wanted.of} has {wanted.low}..{wanted.high}"
                raise self.fail(message, "bad-value")
            return apply("index", term, type=evolve(wanted, optional=False))
        if given == NONE and wanted.optional:
            return Const(None, wanted)
        if not same(given, wanted):
            message = f"{ast.unparse(node)!r} is {described(given)}, but {described(wanted)} is needed here"
            raise self.fail(message, "bad-type")
        return term

    def numbered(self, term: Term, node: ast.expr) -> Term:
        """An index as the number that it is."""
        self.tell_apart(term.type.of, node)
        sure = self.sure(term)
        return apply("number", sure, type=whole(sure.type.low, sure.type.high))

    def sure(self, term: Term) -> Term:
        """An index that is never none."""
        return apply("index", term, type=evolve(term.type, optional=False)) if term.type.optional else term

    def tell_apart(self, name: str, node: ast.expr) -> None:
        self.reading.told_apart.setdefault(name, ToldApart(name, ast.unparse(node), self.at))

    def visit_Constant(self, node: ast.Constant, wanted: Type | None) -> Term:
        if type(node.value) is bool:
            return TRUE if node.value else FALSE
        if type(node.value) is int and abs(node.value) < 2**31:
            return number(node.value)
        if node.value is None:
            return WORDS["none"]
        remedy = "names stand without quotes" if isinstance(node.value, str) else "write numbers, names and sets only"
        raise self.fail(f"{node.value!r}: {remedy}")

    def visit_Name(self, node: ast.Name, wanted: Type | None) -> Term:
        known = self.named(node.id)
        if known is None and wanted is not None and wanted.kind == "enum" and node.id in wanted.members:
            return Const(node.id, wanted)
        if known is None:
            names = [*self.scope.names(), *(wanted.members if wanted else ())]
            raise self.fail(f"unknown name {node.id!r}{suggest(node.id, names)}", "unknown-name")
        return known

    def named(self, name: str) -> Term | None:
        """What a name means without a subscript; None if it means nothing."""
        if name in self.scope.bound:
            return self.scope.bound[name]
        if name in self.scope.indices:
            size = self.scope.indices[name]
            return Const(frozenset(range(size)), Type("set", high=size - 1, of=name))
        array, after = self.array(name)
        if array is None:
            return WORDS.get(name)
        if array.each:
            raise self.fail(f"{name} has one value for each {' and '.join(array.each)}; write {name}[...]", "bad-type")
        return Read(array.first, array.type, after)

    def array(self, name: str) -> tuple[Array | None, bool]:
        """The variable of a name, and whether its value after the step is meant."""
        if name in self.scope.variables:
            return self.scope.variables[name], False
        stem = name.removeprefix("next_")
        if stem != name and stem in self.scope.variables:
            if not self.scope.next:
                raise self.fail(f"{name}: only a step property sees what is next", "unknown-name")
            return self.scope.variables[stem], True
        return None, False

    def visit_Subscript(self, node: ast.Subscript, wanted: Type | None) -> Term:
        array, after = self.array(node.value.id) if isinstance(node.value, ast.Name) else (None, False)
        if array is not None and array.each:
            index = self.index(array, node)
            return picked(array, index, after)
        if isinstance(node.value, ast.Name) and array is None and self.named(node.value.id) is None:
            known = [name for name, found in self.scope.variables.items() if found.each]
            raise self.fail(f"unknown name {node.value.id!r}{suggest(node.value.id, known)}", "unknown-name")
        queue = self.visit(node.value)
        if queue.type.kind != "queue" or queue.type.element is None:
            raise self.fail(f"{ast.unparse(node.value)!r} is {described(queue.type)}; it has no subscripts", "bad-type")
        return apply("at", queue, self.count(node.slice), type=queue.type.element)

    def index(self, array: Array, node: ast.Subscript) -> tuple[Term, ...]:
        """The terms of a subscript, none of which is ever none."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if len(parts) != len(array.each):
            raise self.fail(f"{ast.unparse(node)!r}: write {array.name}[{', '.join(array.each)}]", "bad-type")
        types = [index_type(name, size) for name, size in zip(array.each, array.sizes, strict=True)]
        return tuple(self.sure(self.of(part, type_)) for part, type_ in zip(parts, types, strict=True))

    def visit_BoolOp(self, node: ast.BoolOp, wanted: Type | None) -> Term:
        op, settles = ("and", FALSE) if isinstance(node.op, ast.And) else ("or", TRUE)
        return apply(op, *until(settles, (self.test(value) for value in node.values)))

    def visit_UnaryOp(self, node: ast.UnaryOp, wanted: Type | None) -> Term:
        if isinstance(node.op, ast.Not):
            return negated(self.test(node.operand))
        if isinstance(node.op, ast.USub):
            return arithmetic("-", number(0), self.count(node.operand))
        raise self.refused(node)

    def visit_IfExp(self, node: ast.IfExp, wanted: Type | None) -> Term:
        test = self.test(node.test)
        if isinstance(test, Const):
            return self.visit(node.body if test.value else node.orelse, wanted)
        then = self.visit(node.body, wanted)
        other = self.visit(node.orelse, wanted or then.type)
        if wanted is not None and wanted.kind in ("int", "index"):
            then, other = self.fit(then, wanted, node.body), self.fit(other, wanted, node.orelse)
        then, other = self.alike(then, other, node)
        return apply("if", test, then, other, type=joint(then.type, other.type))

    def visit_Set(self, node: ast.Set, wanted: Type | None) -> Term:
        elements = [self.visit(element) for element in node.elts]
        of = next((e.type for e in elements if e.type.kind == "index"), None)
        if of is None and wanted is not None and wanted.kind == "set":
            of = index_type(wanted.of, wanted.high + 1)
        if of is None:
            raise self.fail(f"{ast.unparse(node)!r}: a set holds members of one index set", "bad-type")
        of = evolve(of, optional=False)
        members = [self.sure(self.fit(e, of, child)) for e, child in zip(elements, node.elts, strict=True)]
        return apply("set", *members, type=Type("set", high=of.high, of=of.of))

    def visit_Dict(self, node: ast.Dict, wanted: Type | None) -> Term:
        if node.keys or wanted is None or wanted.kind != "set":
            raise self.refused(node) if node.keys else self.fail("'{}': no set is needed here", "bad-type")
        return Const(frozenset(), wanted)

    def visit_List(self, node: ast.List, wanted: Type | None) -> Term:
        if wanted is None or wanted.kind != "queue" or wanted.element is None:
            raise self.fail(f"{ast.unparse(node)!r}: no queue is needed here", "bad-type")
        queue: Term = Const((), evolve(wanted, most=0))
        for element in node.elts:
            queue = appended(queue, self.of(element, wanted.element))
        return queue

    def visit_BinOp(self, node: ast.BinOp, wanted: Type | None) -> Term:
        left = self.visit(node.left, wanted if wanted is not None and wanted.kind == "set" else None)
        if left.type.kind == "set" and type(node.op) in _SETS:
            return apply(_SETS[type(node.op)], left, self.of(node.right, left.type), type=left.type)
        if left.type.kind not in ("int", "index") or type(node.op) not in _INTS:
            message = f"{ast.unparse(node)!r}: only sets (& | -) and numbers (+ - * // %) can be combined"
            raise self.fail(message, "bad-type")
        op, right = _INTS[type(node.op)], self.count(node.right)
        if op in ("//", "%") and not (isinstance(right, Const) and right.value > 0):
            said = f"is {right.value}" if isinstance(right, Const) else "changes"
            raise self.fail(f"{ast.unparse(node)!r}: divide by a constant above 0; this {said}", "bad-value")
        return arithmetic(op, self.fit(left, whole(0, 0), node.left), right)

    def visit_Compare(self, node: ast.Compare, wanted: Type | None) -> Term:
        if len(node.ops) != 1:
            raise self.fail(f"{ast.unparse(node)!r}: compare two things at a time")
        op, right_node = type(node.ops[0]), node.comparators[0]
        if op in (ast.In, ast.NotIn):
            found = self.contained(node, node.left, right_node)
            return found if op is ast.In else negated(found)
        if op not in _COMPARE:
            raise self.refused(node)
        if isinstance(node.left, ast.Name) and self.named(node.left.id) is None:
            right = self.visit(right_node)
            left = self.visit(node.left, right.type)
        else:
            left = self.visit(node.left)
            right = self.visit(right_node, left.type)
        word = _COMPARE[op]
        if word in ("==", "!="):
            equal = self.equal(left, right, node)
            return equal if word == "==" else negated(equal)
        return self.ordered(word, left, right, node)

    def equal(self, left: Term, right: Term, node: ast.Compare) -> Term:
        left, right = self.alike(left, right, node)
        return apply("==", left, right)

    def ordered(self, word: str, left: Term, right: Term, node: ast.Compare) -> Term:
        if left.type.kind == "set" and same(left.type, right.type):
            if word in (">", ">="):
                left, right = right, left
            below = apply("<=", left, right)
            return below if word in ("<=", ">=") else apply("and", below, negated(apply("==", left, right)))
        if {left.type.kind, right.type.kind} <= {"int", "index"}:
            ints = (self.fit(left, whole(0, 0), node.left), self.fit(right, whole(0, 0), node.comparators[0]))
            return apply(word, *ints)
        message = f"{ast.unparse(node)!r}: cannot order {described(left.type)} and {described(right.type)}"
        raise self.fail(message, "bad-type")

    def alike(self, left: Term, right: Term, node: ast.expr) -> tuple[Term, Term]:
        """Two terms as values of one type."""
        kinds = {left.type.kind, right.type.kind}
        if kinds == {"int", "index"} and left.type.kind == "int":
            right, left = self.alike(right, left, node)
            return left, right
        if kinds == {"int", "index"}:
            self.tell_apart(left.type.of, node)
            if isinstance(right, Const) and left.type.low <= right.value <= left.type.high:
                return left, Const(right.value, evolve(left.type, optional=False))
            return self.numbered(left, node), right
        if kinds == {"none", "index"}:
            index = left if left.type.kind == "index" else right
            none = Const(None, evolve(index.type, optional=True))
            return (left, none) if index is left else (none, right)
        if not same(left.type, right.type):
            message = (
                f"{ast.unparse(node)!r}: {described(left.type)} and {described(right.type)} are no values of one type"
            )
            raise self.fail(message, "bad-type")
        return left, right

    def contained(self, node: ast.Compare, left_node: ast.expr, right_node: ast.expr) -> Term:
        """`x in S`: S a list of values, a set, or a set that is written out."""
        left = self.visit(left_node)
        if isinstance(right_node, (ast.List, ast.Tuple)):
            if not right_node.elts:
                raise self.fail(f"{ast.unparse(node)!r}: write a list of members")
            pairs = (self.alike(left, self.visit(member, left.type), node) for member in right_node.elts)
            return apply("or", *until(TRUE, (apply("==", one, other) for one, other in pairs)))
        if left.type.kind == "enum":
            shown = ast.unparse(left_node), ast.unparse(right_node)
            raise self.fail(f"write the members in brackets: {shown[0]} in [{shown[1]}]")
        right = self.visit(right_node)
        if right.type.kind != "set":
            raise self.fail(f"{ast.unparse(right_node)!r} is {described(right.type)}, not a set", "bad-type")
        index = index_type(right.type.of, right.type.high + 1, left.type.optional)
        found = self.fit(left, index, left_node)
        if not found.type.optional:
            return apply("in", found, right)
        inside = apply("in", self.sure(found), right)
        return apply("and", negated(apply("==", found, Const(None, found.type))), inside)

    def visit_Call(self, node: ast.Call, wanted: Type | None) -> Term:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in QUANTIFIERS and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            return self.quantified(name, node.args[0])
        if name in QUANTIFIERS:
            raise self.fail(f"{ast.unparse(node)!r}: write {name}(... for x in S)")
        if name not in FUNCTIONS or node.keywords:
            known = [*FUNCTIONS, *QUANTIFIERS]
            raise self.fail(f"{ast.unparse(node)!r}: no such function{suggest(name, known)}", "unknown-name")
        if len(node.args) != FUNCTIONS[name] and not (name in ("min", "max") and len(node.args) > 1):
            raise self.fail(f"{ast.unparse(node)!r}: {name}() takes {FUNCTIONS[name]}, not {len(node.args)}")
        return called(self, name, node.args, wanted)

    def quantified(self, name: str, node: ast.GeneratorExp) -> Term:
        if name == "count":
            total: Term = number(0)
            for held in self.instances(node.generators, node.elt, "and"):
                total = arithmetic("+", total, apply("if", held, number(1), number(0), type=whole(0, 1)))
            return total
        filtered, op, settles = ("or", "and", FALSE) if name == "all" else ("and", "or", TRUE)
        return apply(op, *until(settles, self.instances(node.generators, node.elt, filtered)))

    def instances(self, loops: list[ast.comprehension], element: ast.expr, filtered: str) -> Iterator[Term]:
        """The body of a quantifier for each member; `filtered` says what joins it to what was asked of the member:
        "and" that it holds, "or" that it does not."""
        if not loops:
            yield self.test(element)
            return
        for test, reader in self.members(loops[0]):
            for body in reader.instances(loops[1:], element, filtered):
                yield apply("and", test, body) if filtered == "and" else apply("or", negated(test), body)

    def members(self, loop: ast.comprehension) -> Iterator[tuple[Term, ExpressionReader]]:
        """For each member that there may be whether it is one, and a reader that knows it by its name."""
        if not isinstance(loop.target, ast.Name) or loop.is_async:
            raise self.fail(f"{ast.unparse(loop.target)!r}: a quantifier has one name, as in 'for x in S'")
        name = loop.target.id
        if name in self.scope.names():
            raise self.fail(f"the name {name!r} is taken; use another one in the quantifier", "bad-name")
        for member, test in self.walked(loop.iter):
            inner = evolve(self, scope=self.scope.binding(name, member))
            tests = until(FALSE, (test, *(inner.test(asked) for asked in loop.ifs)) if test != FALSE else (test,))
            joined = apply("and", *tests)
            if joined != FALSE:
                yield joined, inner

    def walked(self, node: ast.expr) -> Iterator[tuple[Const, Term]]:
        """What a quantifier goes through: members with the term that says whether they are there."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            ends = [self.count(end) for end in node.args]
            if not 1 <= len(ends) <= 2 or not all(isinstance(end, Const) for end in ends):
                raise self.fail(f"{ast.unparse(node)!r}: write range(n) with n a constant, and ask for less by 'if'")
            values = [end.value for end in ends if isinstance(end, Const)]
            yield from ((number(value), TRUE) for value in range(*values))
            return
        members = self.visit(node)
        if members.type.kind != "set":
            raise self.fail(f"{ast.unparse(node)!r} is {described(members.type)}, not a set or range(n)", "bad-type")
        for value in range(members.type.high + 1):
            member = Const(value, index_type(members.type.of, members.type.high + 1))
            yield member, apply("in", member, members)

    def visit_SetComp(self, node: ast.SetComp, wanted: Type | None) -> Term:
        loop = node.generators[0]
        target = loop.target.id if isinstance(loop.target, ast.Name) else ""
        if len(node.generators) > 1 or not isinstance(node.elt, ast.Name) or node.elt.id != target:
            raise self.fail(f"{ast.unparse(node)!r}: a set is written {{x for x in S if ...}}")
        whole_set = self.visit(loop.iter)
        if whole_set.type.kind != "set":
            raise self.fail(f"{ast.unparse(loop.iter)!r} is {described(whole_set.type)}, not a set", "bad-type")
        tests: list[Term] = [FALSE] * (whole_set.type.high + 1)
        for test, inner in self.members(loop):
            tests[inner.scope.bound[target].value] = test
        return apply("such", *tests, type=whole_set.type)


def until(settles: Const, terms: Any) -> Iterator[Term]:
    """Terms up to the first that settles a conjunction or disjunction."""
    for term in terms:
        yield term
        if term == settles:
            return


def same(given: Type, wanted: Type) -> bool:
    """Whether values of two types are of one kind; bounds, lengths and whether there may be none are not looked at,
    but for what queues hold."""
    if given.kind == "queue" and wanted.kind == "queue" and given.element is not None and wanted.element is not None:
        return given.element == wanted.element
    return (given.kind, given.members, given.of) == (wanted.kind, wanted.members, wanted.of)


def picked(array: Array, index: tuple[Term, ...], after: bool) -> Term:
    """The slot of an index: an `if` for each value of what is not constant."""
    for position, part in enumerate(index):
        if not isinstance(part, Const):
            chosen: Term | None = None
            for value in reversed(range(array.sizes[position])):
                member = Const(value, part.type)
                inner = picked(array, (*index[:position], member, *index[position + 1 :]), after)
                chosen = (
                    inner if chosen is None else apply("if", apply("==", part, member), inner, chosen, type=array.type)
                )
            if chosen is not None:
                return chosen
    return Read(array.slot(tuple(part.value for part in index if isinstance(part, Const))), array.type, after)


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
        total, *others = [reader.count(arg) for arg in args]
        for other in others:
            total = arithmetic(name, total, other)
        return total
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
        reader.tell_apart(index.of, node)
        for value in reversed(range(count)):
            member = Const(value, index)
            chosen = apply("if", apply("in", member, members), member, chosen, type=index)
    return chosen
