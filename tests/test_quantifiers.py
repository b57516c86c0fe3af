"""Quantifiers of systems: what they are written out as, what they say of a pool, and what is refused."""

from __future__ import annotations

import ast
from functools import cache

import pytest
from attrs import evolve

from fsm.errors import Place, SpecError
from fsm.explore.joint import Joint
from fsm.explore.properties import Observer
from fsm.explore.quantifiers import Grounder
from fsm.explore.system import Condition, System
from fsm.locate import specs
from fsm.search.space import Property

AT = Place("here")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("all(h in acting for h in everybody)", "0 in acting and 1 in acting"),
        ("any(h in acting for h in live)", "(0 in live and 0 in acting) or (1 in live and 1 in acting)"),
        ("all(h in acting for h in live & armed)",
         "(not 0 in live & armed or 0 in acting) and (not 1 in live & armed or 1 in acting)"),
        ("any(one(v) for v in vm)", "one(a) or one(b)"),
        ("count(empty(v) for v in vm) < 2", "(1 if empty(a) else 0) + (1 if empty(b) else 0) < 2"),
        ("all(restart[v].resident == none for v in vm)", "restart_a_resident == none and restart_b_resident == none"),
        ("all(next_restart[v].resident == restart[v].resident or next_v == v for v in vm)",
         "(next_restart_a_resident == restart_a_resident or next_a == a) and "
         "(next_restart_b_resident == restart_b_resident or next_b == b)"),
        ("any(restart[v] == settled for v in vm)", "restart_a == settled or restart_b == settled"),
        ("any(h in v for v in vm if one(v) for h in everybody)",
         "(one(a) and 0 in a) or (one(a) and 1 in a) or (one(b) and 0 in b) or (one(b) and 1 in b)"),
        ("any(all(g == h for g in everybody) for h in everybody)", "(0 == 0 and 1 == 0) or (0 == 1 and 1 == 1)"),
        ("empty(acting) and all(v in v for v in vm)", "empty(acting) and (a in a and b in b)"),
    ],
)  # fmt: skip
def test_what_they_are_written_out_as(text: str, written: str) -> None:
    """Two hosts and two VMs, a and b."""
    tree = Grounder(2, {"vm": ("a", "b")}, AT).visit(ast.parse(text, mode="eval").body)
    assert ast.unparse(ast.parse(ast.unparse(tree), mode="eval")) == ast.unparse(ast.parse(written, mode="eval"))


def test_over_nothing_all_holds_and_any_does_not() -> None:
    """A pool without VMs."""
    grounder = Grounder(2, {"vm": ()}, AT)
    said = [f"{name}(empty(v) for v in vm)" for name in ("all", "any", "count")]
    assert [ast.unparse(grounder.visit(ast.parse(text, mode="eval").body)) for text in said] == ["True", "False", "0"]


@cache
def demo() -> System:
    """The shipped system."""
    return System.load(specs() / "systems" / "demo.yaml")


def observer(text: str, *sets: str, kind: str = "always") -> Observer:
    """The demo's pool of three hosts and two VMs with one property, and some sets."""
    system = demo()
    conditions = tuple(Condition(f"set_{number}", condition, AT) for number, condition in enumerate(sets))
    system = evolve(system, sets=system.sets + conditions, properties=(Property("it", kind, text, "it is", AT),))
    return Observer(system, Joint(system))


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("all(h in deciding for h in everybody)", True),
        ("count(h in first for h in everybody) == 1", True),
        ("any(h in first and h in up for h in deciding)", True),
        ("all(restart[v].resident == none and empty(v) for v in vm)", True),
        ("any(one(v) for v in vm)", False),
        ("all(h in acting for h in everybody)", False),
        ("count(one(v) for v in vm for h in everybody) == 6", False),
        ("set_0 == everybody", True),
        ("set_1 == everybody", False),
        ("size(set_1) == 1", True),
        ("set_2 == everybody", True),
    ],
)
def test_what_they_say_of_a_pool(text: str, holds: bool) -> None:
    """At its beginning: host 0 is master, and nobody has started a VM. Sets may say it too."""
    watched = observer(
        text,
        "all(restart[v] == idle for v in vm)",
        "any(h == me and h == role for h in everybody)",
        "all(restart[v].resident == none for v in vm)",
    )
    start = watched.joint.initial()[0]
    assert watched.part("it", "text").holds(watched.observe(start)) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("all(acting)", r"write all\(… for h in everybody\)"),
        ("any([h for h in everybody])", r"write any\("),
        ("all(h in acting for h, g in everybody)", "cannot stand for a host"),
        ("all(me in acting for me in everybody)", "cannot stand for a host"),
        ("all(h in acting for h in actors)", "unknown name 'actors'"),
        ("all(h in acting for h in ha)", "but hosts is needed here"),
        ("all(restart[v].residence == none for v in vm)", "unknown name 'restart_vm1_residence'; did you mean"),
        ("all(size(h) <= 1 for h in everybody)", "is host, but hosts is needed here"),
        ("all(a == b for a in everybody for b in everybody for c in everybody for d in everybody for e in everybody "
         "for f in everybody for g in everybody for h in everybody)", "more than 4096 cases"),
        ("h in acting", "unknown name 'h'"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, says: str) -> None:
    """In one line with its place."""
    with pytest.raises(SpecError, match=says) as caught:
        observer(text)
    assert str(caught.value).startswith("here:1:1: ")


def test_a_step_may_be_quantified() -> None:
    """Over the states at both ends."""
    watched = observer("all(next_restart[v].resident == restart[v].resident for v in vm)", kind="step")
    start = watched.observe(watched.joint.initial()[0])
    assert watched.part("it", "text").holds(start, start)


def test_the_shipped_promises_speak_of_every_vm() -> None:
    """S2 and S3 are one property each, however many VMs there are."""
    for name in ("demo", "failover", "enable", "disable"):
        told = {p.name: p.text for p in System.load(specs() / "systems" / f"{name}.yaml").properties}
        assert "for v in vm" in told["S2"]
        assert "for v in vm" in told["S3"]
