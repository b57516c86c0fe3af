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
from keyword import iskeyword

from attrs import define, evolve

from fsm.errors import Place, SpecError
from fsm.language.document import suggest
from fsm.models.functions import FUNCTIONS, appended, called
from fsm.models.operations import FALSE, TRUE, apply, arithmetic, joint, negated, number, whole
from fsm.models.quantifiers import QUANTIFIERS, comprehension, quantified, until
from fsm.models.scope import NONE, WORDS, Array, Reading, Scope, described, index_type, picked, same
from fsm.models.terms import BOOL, Const, Read, Term, ToldApart, Type

LONGEST = 2000
DEEPEST = 40
WRITTEN = "write one such as 'tries + 1' or 'tries < 3 and not armed', with == to compare"
_COMPARE = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_SETS = {ast.BitAnd: "&", ast.BitOr: "|", ast.Sub: "\\"}
_INTS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%"}
_PYTHON = {"and", "or", "not", "in", "if", "else", "is", "for", "True", "False", "None"}


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
    tree, before = parsed(text, at), reading.terms
    try:
        reader = ExpressionReader(text, scope, at, reading)
        term = reader.of(tree, wanted) if wanted is not None else reader.visit(tree)
        reading.weigh(term, before, at)
    except RecursionError:
        raise SpecError(at, f"{text!r} is nested too deep; use a variable for a part of it", "too-large") from None
    return term


def read_target(text: str, scope: Scope, at: Place, reading: Reading) -> tuple[Array, tuple[Term, ...]]:
    """The variable that an update sets, as `turn` or `state[r]`, and the terms of its subscript.

    Arguments: as of `read_expression`.
    Errors: `SpecError`.
    """
    tree = parsed(text, at)
    node = tree.value if isinstance(tree, ast.Subscript) else tree
    array = scope.variables.get(node.id) if isinstance(node, ast.Name) else None
    if array is None:
        known = suggest(text, scope.variables)
        raise SpecError(at, f"{text!r} is no variable that could be set{known}", "unknown-name")
    if bool(array.each) != isinstance(tree, ast.Subscript):
        subscript = f"[{', '.join(array.each)}]" if array.each else ""
        raise SpecError(at, f"{text!r}: write {array.name}{subscript}", "bad-type")
    reader = ExpressionReader(text, scope, at, reading)
    return array, reader.index(array, tree) if isinstance(tree, ast.Subscript) else ()


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
        """The error `message` where the expression stands, to be raised by the caller."""
        return SpecError(self.at, message, rule)

    def refused(self, node: ast.expr) -> SpecError:
        """The error of a node that has no meaning here."""
        return self.fail(f"{ast.unparse(node)!r} is not part of the expression language; {WRITTEN}")

    def visit(self, node: ast.expr, wanted: Type | None = None) -> Term:
        """The term of a node; `wanted` gives a bare word its meaning as a member, and `[]` and `{}` theirs."""
        method = getattr(self, f"_visit_{type(node).__name__}", None)
        if method is None:
            raise self.refused(node)
        self.depth += 1
        self.reading.spend(1, self.at)
        if self.depth > DEEPEST:
            raise self.fail(f"an expression nested deeper than {DEEPEST}; use a variable for a part of it")
        term: Term = method(node, wanted)
        self.depth -= 1
        return term

    def of(self, node: ast.expr, wanted: Type) -> Term:
        """The term of a node whose value must be of a type."""
        return self.fit(self.visit(node, wanted), wanted, node)

    def test(self, node: ast.expr) -> Term:
        """The term of a node that is true or false."""
        return self.of(node, BOOL)

    def count(self, node: ast.expr) -> Term:
        """The term of a node that is a number."""
        return self.of(node, whole(0, 0))

    def fit(self, term: Term, wanted: Type, node: ast.expr) -> Term:
        """A term where a type is wanted: an index may stand for a number and a number for an index."""
        given, kind = term.type, wanted.kind
        if kind == "int" and given.kind == "index":
            return self.numbered(term, node)
        if kind == "index" and given.kind == "int":
            self.tell_apart(wanted.of, f"{ast.unparse(node)!r} is a number, used as a member of {wanted.of}")
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
        self.tell_apart(term.type.of, f"{ast.unparse(node)!r} is used as a number")
        sure = self.sure(term)
        return apply("number", sure, type=whole(sure.type.low, sure.type.high))

    def sure(self, term: Term) -> Term:
        """An index that is never none."""
        return apply("index", term, type=evolve(term.type, optional=False)) if term.type.optional else term

    def tell_apart(self, name: str, text: str) -> None:
        """Notes what tells the members of an index set apart, unless something was noted before."""
        self.reading.told_apart.setdefault(name, ToldApart(name, text, self.at))

    def _visit_Constant(self, node: ast.Constant, wanted: Type | None) -> Term:
        if type(node.value) is bool:
            return TRUE if node.value else FALSE
        if type(node.value) is int and abs(node.value) < 2**31:
            return number(node.value)
        if node.value is None:
            return WORDS["none"]
        remedy = "names stand without quotes" if isinstance(node.value, str) else "write numbers, names and sets only"
        raise self.fail(f"{node.value!r}: {remedy}")

    def _visit_Name(self, node: ast.Name, wanted: Type | None) -> Term:
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

    def _visit_Subscript(self, node: ast.Subscript, wanted: Type | None) -> Term:
        array, after = self.array(node.value.id) if isinstance(node.value, ast.Name) else (None, False)
        if array is not None and array.each:
            return picked(array, self.index(array, node), after, self.reading, self.at)
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

    def _visit_BoolOp(self, node: ast.BoolOp, wanted: Type | None) -> Term:
        op, settles = ("and", FALSE) if isinstance(node.op, ast.And) else ("or", TRUE)
        return apply(op, *until(settles, (self.test(value) for value in node.values)))

    def _visit_UnaryOp(self, node: ast.UnaryOp, wanted: Type | None) -> Term:
        if isinstance(node.op, ast.Not):
            return negated(self.test(node.operand))
        if isinstance(node.op, ast.USub):
            return arithmetic("-", number(0), self.count(node.operand))
        raise self.refused(node)

    def _visit_IfExp(self, node: ast.IfExp, wanted: Type | None) -> Term:
        test = self.test(node.test)
        if isinstance(test, Const):
            return self.visit(node.body if test.value else node.orelse, wanted)
        then = self.visit(node.body, wanted)
        other = self.visit(node.orelse, wanted or then.type)
        if wanted is not None and wanted.kind in ("int", "index"):
            then, other = self.fit(then, wanted, node.body), self.fit(other, wanted, node.orelse)
        then, other = self.alike(then, other, node)
        return apply("if", test, then, other, type=joint(then.type, other.type))

    def _visit_Set(self, node: ast.Set, wanted: Type | None) -> Term:
        elements = [self.visit(element) for element in node.elts]
        of = next((e.type for e in elements if e.type.kind == "index"), None)
        if of is None and wanted is not None and wanted.kind == "set":
            of = index_type(wanted.of, wanted.high + 1)
        if of is None:
            raise self.fail(f"{ast.unparse(node)!r}: a set holds members of one index set", "bad-type")
        of = evolve(of, optional=False)
        members = [self.sure(self.fit(e, of, child)) for e, child in zip(elements, node.elts, strict=True)]
        return apply("set", *members, type=Type("set", high=of.high, of=of.of))

    def _visit_Dict(self, node: ast.Dict, wanted: Type | None) -> Term:
        if node.keys or wanted is None or wanted.kind != "set":
            raise self.refused(node) if node.keys else self.fail("'{}': no set is needed here", "bad-type")
        return Const(frozenset(), wanted)

    def _visit_List(self, node: ast.List, wanted: Type | None) -> Term:
        if wanted is None or wanted.kind != "queue" or wanted.element is None:
            raise self.fail(f"{ast.unparse(node)!r}: no queue is needed here", "bad-type")
        queue: Term = Const((), evolve(wanted, most=0))
        for element in node.elts:
            queue = appended(queue, self.of(element, wanted.element))
        return queue

    def _visit_BinOp(self, node: ast.BinOp, wanted: Type | None) -> Term:
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

    def _visit_Compare(self, node: ast.Compare, wanted: Type | None) -> Term:
        if len(node.ops) != 1:
            raise self.fail(f"{ast.unparse(node)!r}: compare two things at a time")
        op, right_node = type(node.ops[0]), node.comparators[0]
        if op in (ast.In, ast.NotIn):
            found = self._contained(node, node.left, right_node)
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
            equal = self._equal(left, right, node)
            return equal if word == "==" else negated(equal)
        return self._ordered(word, left, right, node)

    def _equal(self, left: Term, right: Term, node: ast.Compare) -> Term:
        left, right = self.alike(left, right, node)
        return apply("==", left, right)

    def _ordered(self, word: str, left: Term, right: Term, node: ast.Compare) -> Term:
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
            self.tell_apart(left.type.of, f"{ast.unparse(node)!r} compares a member with a number")
            if isinstance(right, Const) and left.type.low <= right.value <= left.type.high:
                return left, Const(right.value, evolve(left.type, optional=False))
            return self.numbered(left, node), right
        if kinds == {"none", "index"}:
            index = left if left.type.kind == "index" else right
            if not index.type.optional:
                of = index.type.of
                message = f"{ast.unparse(node)!r}: what is of type {of} is never none; declare it as {of}?"
                raise self.fail(message, "bad-type")
            none = Const(None, evolve(index.type, optional=True))
            return (left, none) if index is left else (none, right)
        if not same(left.type, right.type):
            message = (
                f"{ast.unparse(node)!r}: {described(left.type)} and {described(right.type)} are no values of one type"
            )
            raise self.fail(message, "bad-type")
        return left, right

    def _contained(self, node: ast.Compare, left_node: ast.expr, right_node: ast.expr) -> Term:
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

    def _visit_Call(self, node: ast.Call, wanted: Type | None) -> Term:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in QUANTIFIERS and len(node.args) == 1 and isinstance(node.args[0], ast.GeneratorExp):
            return quantified(self, name, node.args[0])
        if name in QUANTIFIERS:
            raise self.fail(f"{ast.unparse(node)!r}: write {name}(... for x in S)")
        if name not in FUNCTIONS or node.keywords:
            known = [*FUNCTIONS, *QUANTIFIERS]
            raise self.fail(f"{ast.unparse(node)!r}: no such function{suggest(name, known)}", "unknown-name")
        if len(node.args) != FUNCTIONS[name] and not (name in ("min", "max") and len(node.args) > 1):
            raise self.fail(f"{ast.unparse(node)!r}: {name}() takes {FUNCTIONS[name]}, not {len(node.args)}")
        return called(self, name, node.args, wanted)

    def _visit_SetComp(self, node: ast.SetComp, wanted: Type | None) -> Term:
        return comprehension(self, node)
