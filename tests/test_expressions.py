"""The expression language: what it means, what it refuses, and that nothing outside its list is ever run."""

from __future__ import annotations

import ast
import math
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm.errors import Place, SpecError
from fsm.language.domains import Domain, Value
from fsm.language.expressions import GLOBALS, LONGEST, NotOne, parse_duration, parse_expression

AT = Place("x.yaml", 3, 5)
SCOPE = {
    "live": Domain("hosts"),
    "marked": Domain("hosts"),
    "role": Domain("host", optional=True),
    "decisions": Domain("bool"),
    "tries": Domain("int", low=0, high=3),
    "ha": Domain("enum", ("off", "on", "none")),
    "restart": Domain("enums", ("idle", "busy")),
    "vm": Domain("opaque"),
}
VALUES: dict[str, Value] = {
    "live": frozenset({0, 2}), "marked": frozenset({2}), "role": None, "decisions": True, "tries": 2, "ha": "on",
    "restart": frozenset({"idle"}), "vm": "a",
}  # fmt: skip
CODES = {name: f"p[{name!r}]" for name in SCOPE}


def value(text: str, me: int = 0, n: int = 3) -> Value:
    """What an expression gives with `VALUES`."""
    return parse_expression(text, SCOPE, AT).function(CODES, me, n)(None, None, VALUES)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("decisions and not empty(live & marked - {me})", True),
        ("one(live & marked)", True),
        ("the(live & marked)", 2),
        ("lowest(live)", 0),
        ("size(live | {me}) >= 2", True),
        ("role == me", False),
        ("role == none", True),
        ("ha in [on, off]", True),
        ("ha not in [off]", True),
        ("ha != none", True),
        ("me in live", True),
        ("role in live", False),
        ("role not in live", True),
        ("live == everybody", False),
        ("marked < live", True),
        ("nobody", frozenset()),
        ("tries + 1 - -2", 5),
        ("me if decisions else role", 0),
        ("none if decisions else role", None),
        ("all_in(restart, [idle])", True),
        ("any_in(restart, [busy])", False),
        ("false or true", True),
        ("vm", "a"),
    ],
)
def test_an_expression_means_what_it_says(text: str, wanted: Value) -> None:
    """Sets, hosts, enumerations and integers, as the page of the language has them."""
    assert value(text) == wanted


@pytest.mark.parametrize(
    ("text", "rule", "message"),
    [
        ("lives == marked", "unknown-name", "did you mean 'live'?"),
        ("ha == of", "unknown-name", "did you mean 'off'?"),
        ("sizes(live) > 1", "unknown-name", "did you mean 'size'?"),
        ("live + marked", "bad-expression", "only sets (& | -) and integers (+ -)"),
        ("live == tries", "bad-expression", "cannot compare hosts with 0..3"),
        ("role < me", "bad-expression", "cannot compare"),
        ("tries in live", "bad-expression", "is no host"),
        ("1 < tries < 3", "bad-expression", "two things at a time"),
        ("not tries", "bad-type", "is 0..3, but bool is needed"),
        ("{tries}", "bad-type", "but host is needed"),
        ("live.pop()", "unknown-name", "no such function"),
        ("{1}", "bad-type", "'1' is a number, but host is needed here"),
        ("live[0]", "bad-expression", "not part of the expression language"),
        ("().__class__", "bad-expression", "not part of"),
        ("__import__('os')", "unknown-name", "no such function"),
        ("size(*live)", "bad-expression", "not part of"),
        ("size(live, key=me)", "unknown-name", "no such function"),
        ("(lambda: 1)()", "unknown-name", "no such function"),
        ("[h for h in live]", "bad-expression", "not part of"),
        ("(x := me)", "bad-expression", "not part of"),
        ("'text'", "bad-expression", "'text': names stand without quotes"),
        ("1.5", "bad-expression", "write numbers"),
        ("2 ** 9", "bad-expression", "only sets"),
        ("tries is 1", "bad-expression", "not part of"),
        ("f'{vm}'", "bad-expression", "not part of"),
        ("me if decisions else live", "bad-expression", "one type"),
        ("ha in []", "bad-expression", "write a list of members"),
        ("all_in(ha, [on])", "bad-expression", "machine with instances"),
        ("live and", "bad-expression", "is not an expression"),
        ("", "bad-expression", "is not an expression"),
        ("- " * 60 + "1", "bad-expression", "nested deeper"),
        ("me" * 300, "bad-expression", "at most 400"),
        ("2" * 20, "bad-expression", "write numbers"),
        ("me\x00", "bad-expression", "not an expression"),
    ],
)
def test_what_is_refused(text: str, rule: str, message: str) -> None:
    """One message at the place of the expression, with the remedy where there is a near one."""
    with pytest.raises(SpecError) as error:
        parse_expression(text, SCOPE, AT)
    assert (error.value.place, error.value.rule) == (AT, rule)
    assert message in error.value.message


def test_a_wanted_domain_is_enforced() -> None:
    """An opaque value is passed on by its name alone, a host is no set, an enumeration fits into a wider one."""
    assert parse_expression("vm", SCOPE, AT, Domain("opaque")).text == "vm"
    assert parse_expression("none", SCOPE, AT, Domain("host", optional=True)).domain.kind == "none"
    assert parse_expression("ha", SCOPE, AT, Domain("enum", ("off", "on", "none", "more"))).text == "ha"
    for text, wanted in (("vm if decisions else vm", Domain("opaque")), ("live", Domain("host")),
                         ("ha", Domain("enum", ("off", "on"))), ("me", Domain("opaque"))):  # fmt: skip
        with pytest.raises(SpecError, match="bad-type"):
            parse_expression(text, SCOPE, AT, wanted)


@pytest.mark.parametrize("text", ["the(live)", "the(nobody)", "lowest(nobody)"])
def test_a_member_that_is_not_there_is_not_one(text: str) -> None:
    """`the` and `lowest` never guess."""
    with pytest.raises(NotOne):
        value(text)


TEXT = """
live marked role decisions tries ha on none me nobody everybody restart vm the one empty size lowest all_in any_in and
or not in if else is lambda for ( ) [ ] { } , . : = == != < <= & | - + * ** % / @ := 1 2 0x7 'a' " # \\ __import__
__class__ eval exec open f'{x}' yield await ~ ;
"""
WORDS = st.sampled_from(TEXT.split())


@given(st.one_of(st.lists(WORDS, max_size=14).map(" ".join), st.text(max_size=40)))
@example("-" * 250 + "1")
@example("not " * 90 + "true")
def test_whatever_stands_there_is_a_value_or_one_message(text: str) -> None:
    """Fuzz: an expression parses to source that compiles and runs, or is refused; nothing else comes out."""
    try:
        expression = parse_expression(text, SCOPE, AT)
    except SpecError:
        return
    source = expression.source(dict.fromkeys(SCOPE, "p"))
    names = {node.id for node in ast.walk(ast.parse(source, mode="eval")) if isinstance(node, ast.Name)}
    assert names <= {"p", "me", "nobody", "everybody", "frozenset", *GLOBALS}
    assert not [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Attribute | ast.Subscript | ast.Lambda)]
    with suppress(NotOne):
        expression.function(CODES, 0, 3)(None, None, VALUES)


ALLOWED = {
    ast.Constant, ast.Name, ast.BoolOp, ast.UnaryOp, ast.IfExp, ast.Set, ast.BinOp, ast.Call, ast.Compare, ast.List,
    ast.Tuple, ast.And, ast.Or, ast.Not, ast.USub, ast.BitAnd, ast.BitOr, ast.Sub, ast.Add, ast.Eq, ast.NotEq, ast.Lt,
    ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.Load,
}  # fmt: skip
"""Everything of Python's grammar that an expression may consist of; lists and tuples only to the right of `in`."""
SAMPLES: dict[type[ast.AST], str] = {
    ast.Attribute: "live.pop", ast.Await: "await me", ast.BitXor: "live ^ marked", ast.Dict: "{me: me}",
    ast.DictComp: "{h: h for h in live}", ast.Div: "tries / 1", ast.FloorDiv: "tries // 1",
    ast.FormattedValue: "f'{me}'",
    ast.GeneratorExp: "one(h for h in live)", ast.Invert: "~tries", ast.Is: "tries is 1", ast.IsNot: "role is not none",
    ast.JoinedStr: "f''", ast.LShift: "tries << 1", ast.Lambda: "lambda: me", ast.ListComp: "[h for h in live]",
    ast.MatMult: "tries @ 1", ast.Mod: "tries % 2", ast.Mult: "tries * 2", ast.NamedExpr: "(x := me)",
    ast.Pow: "tries ** 2", ast.RShift: "tries >> 1", ast.SetComp: "{h for h in live}", ast.Slice: "live[:1]",
    ast.Starred: "{*live}", ast.Subscript: "live[0]", ast.UAdd: "+tries", ast.Yield: "(yield)",
    ast.YieldFrom: "(yield from live)", ast.Store: "(x := me)", ast.comprehension: "[h for h in live]",
    ast.keyword: "size(members=live)", ast.List: "[me]", ast.Tuple: "(me,)",
}  # fmt: skip


def kinds(base: type[ast.AST]) -> set[type[ast.AST]]:
    """The kinds of node of Python's grammar below one; not the names that older versions used."""
    found = {kind for kind in base.__subclasses__() if kind.__module__ in ("ast", "_ast")}
    inner = {deep for kind in found for deep in kinds(kind)}
    return {kind for kind in found | inner if not kind.__subclasses__()} - {
        kind for name in ("Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice", "Suite", "AugLoad",
                          "AugStore", "Param") if (kind := vars(ast).get(name))
    }  # fmt: skip


def test_every_kind_of_expression_that_is_not_on_the_list_has_a_sample() -> None:
    """Also those that a later Python brings: an expression, an operator or a part of one is allowed or tried below."""
    grammar = {kind for base in (ast.expr, ast.operator, ast.unaryop, ast.boolop, ast.cmpop) for kind in kinds(base)}
    grammar |= {ast.comprehension, ast.keyword, ast.Store}
    later = {"TemplateStr", "Interpolation"}  # Python 3.14: t'', a syntax error before
    assert {kind.__name__ for kind in grammar - ALLOWED - set(SAMPLES)} <= later


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_what_is_not_on_the_list_is_refused_wherever_it_stands(kind: type[ast.AST]) -> None:
    """Alone, as an operand, an argument, a member, a condition: by a message, never by running it."""
    text = SAMPLES[kind]
    assert kind in {type(node) for node in ast.walk(ast.parse(text, mode="eval"))}
    places = ["{}", "not ({})", "one(({}))", "{{({})}}", "ha in [({})]", "({}) == me", "me == ({})", "live | ({})",
              "true and ({})", "me if ({}) else role", "({}) if decisions else me", "all_in(restart, [({})])",
              "({})(live)", "size(live) - ({})", "({}) in live"]  # fmt: skip
    for place in places:
        with pytest.raises(SpecError):
            parse_expression(place.format(text), SCOPE, AT)


DUNDERS = [
    "__class__",
    "__globals__",
    "__builtins__",
    "__subclasses__",
    "__import__",
    "gi_frame",
    "f_the",
    "L",
    "P",
    "p",
]
HOSTILE = st.recursive(
    st.sampled_from(["live", "me", "tries", "1", "'os'", "()", "{}", "[]", "''", "...", "1j", "b''", *DUNDERS]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(DUNDERS)).map(lambda t: f"({t[0]}).{t[1]}"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})({t[1]})"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]})[{t[1]}]"),
        st.tuples(inner, inner).map(lambda t: f"[{t[0]} for x in {t[1]}]"),
        inner.map(lambda text: f"(lambda x={text}: x)"),
        inner.map(lambda text: f"f'{{{text}}}'" if "'" not in text else f"({text})"),
        inner.map(lambda text: f"(x := {text})"),
        inner.map(lambda text: f"one(*{text}, **{text})"),
        st.tuples(inner, st.sampled_from(["and", "|", "==", "in", "if me else"]), inner).map(" ".join),
    ),
    max_leaves=6,
)


@given(HOSTILE)
@example("().__class__.__base__.__subclasses__()")
@example("__import__('os').system('true')")
@example("(lambda: 1).__globals__['__builtins__']")
@example("one.__self__")
def test_hostile_expressions_stay_inside_the_list(text: str) -> None:
    """Attributes, calls, lambdas, comprehensions, f-strings, walruses and names with underscores: whatever parses
    consists of allowed nodes and names alone."""
    try:
        parsed = parse_expression(text, SCOPE, AT)
    except SpecError:
        return
    assert {type(node) for node in ast.walk(ast.parse(parsed.text, mode="eval").body)} <= ALLOWED
    assert parsed.names <= set(SCOPE)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("250ms", 0.25), ("2min", 120), ("T/4", 0.5), ("2*T + 60s", 64), ("(T - 500ms)*2", 3), ("0", 0)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    """Units, parameters and the four operations."""
    assert parse_duration(text, {"T": 2.0}, AT) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("soon", "unknown-name"), ("", "bad-duration"), ("5s 3", "bad-duration"), ("T**9", "bad-duration"),
     ("1//2", "bad-duration"), ("1/0", "bad-duration"), ("-1s", "bad-duration"), ("9" * 390, "bad-duration"),
     ("9" * 12, "bad-duration"), ("(1", "bad-duration"), ("2h", "bad-duration"), ("1;2", "bad-duration")],
)  # fmt: skip
def test_what_is_no_duration(text: str, rule: str) -> None:
    """One message; no power, no code, nothing negative or endless."""
    with pytest.raises(SpecError) as error:
        parse_duration(text, {"T": 2.0}, AT)
    assert error.value.rule in (rule, "unknown-name")


@given(st.text(alphabet="0123456789.*/+-() Tsmin", max_size=30))
@example("5(3)")
def test_a_duration_is_a_number_or_one_message(text: str) -> None:
    """Fuzz: finite seconds, or a `SpecError`."""
    try:
        seconds = parse_duration(text, {"T": 2.0}, AT)
    except SpecError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0
    assert len(text) <= LONGEST
