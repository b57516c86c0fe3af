"""Values that guards are tried with: of the states of machines with instances only those count that are named."""

from __future__ import annotations

from fsm.errors import Place
from fsm.language.assignments import assignments, pools
from fsm.language.domains import Domain
from fsm.language.expressions import Expr, parse_expression

STATES = tuple(f"s{number}" for number in range(30))
SCOPE = {"disks": Domain("enums", STATES)}


def guard(text: str) -> Expr:
    """A condition over the states of the disks."""
    return parse_expression(text, SCOPE, Place("here"))


def test_states_that_no_guard_names_are_one() -> None:
    """Thirty states would be a thousand million sets; with two of them named there are eight, which say it all."""
    named = guard("any_in(disks, [s3]) or all_in(disks, [s3, s7])")
    found = pools(SCOPE, [named])
    assert not isinstance(found, int)
    values = [frozenset(value) for (value,) in assignments(found[0])]
    assert len(values) == len(set(values)) == 8
    assert {len(value - {"s3", "s7"}) for value in values} == {0, 1}
    answers = {(bool(value & {"s3"}), value <= {"s3", "s7"}) for value in values}
    assert len(answers) == 4


def test_where_all_states_are_named_all_sets_are_tried() -> None:
    """Nothing stands for others then."""
    scope = {"disks": Domain("enums", ("a", "b"))}
    found = pools(scope, [parse_expression("any_in(disks, [a, b])", scope, Place("here"))])
    assert not isinstance(found, int)
    assert len(list(assignments(found[0]))) == 4
