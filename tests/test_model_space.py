"""The space of a model: published counts, found by a search of ten lines; and what has no value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsm.errors import SpecError
from fsm.locate import specs
from fsm.models.model import Model
from fsm.models.model_space import ModelSpace, State
from fsm.search.explore import explore
from fsm.search.space import Property

COUNTS = [
    # distinct, generated, levels: as published, see the essays of the examples
    ("02-die-hard", {}, 16, 97, 8),
    ("03-coffee-can", {}, 5_150, 20_002, 1),
    ("04-missionaries", {}, 64, 253, 13),
    ("06-counter", {}, 13, 15, 5),
    ("06-counter", {"n": 4}, 755, None, None),
    ("09-commit", {}, 34, 94, 7),
    ("09-commit", {"n": 5}, 3**5 + 2**5 - 1, None, 11),
    ("10-two-phase-commit", {"n": 1}, 12, None, 5),
    ("10-two-phase-commit", {}, 288, 1_146, 11),
    ("10-two-phase-commit", {"n": 5}, 8_832, 58_146, 17),
    ("11-peterson", {}, 42, 85, 11),
    ("11-peterson", {"busy": 0}, 42, 77, 11),
    ("12-philosophers", {}, 118, 301, 13),
    ("12-philosophers", {"n": 6}, 1_297, None, None),
    ("14-alternating-bit", {}, 240, 1_392, 10),
]
ORBITS = [("10-two-phase-commit", n, orbits) for n, orbits in ((2, 34), (3, 80), (4, 166))] + [("06-counter", 2, 8)]


def example(name: str, **settings: int) -> ModelSpace:
    """The space of a shipped example."""
    model = Model.load(specs() / "examples" / f"{name}.yaml")
    for setting, value in settings.items():
        model = model.with_setting(setting, str(value))
    return ModelSpace(model)


def count(space: ModelSpace, key: Callable[[State], Any] = lambda state: state) -> tuple[int, int, int]:
    """Distinct states, generated states and levels."""
    generated, depth, found, level = 0, 0, set[Any](), list(space.initial())
    found, generated = {key(state) for state in level}, len(level)
    while level:
        depth, below = depth + 1, list[State]()
        for edge in (edge for state in level for edge in space.edges(state)):
            generated += 1
            if not edge.cut and edge.target is not None and key(edge.target) not in found:
                found.add(key(edge.target))
                below.append(edge.target)
        level = below
    return len(found), generated, depth


@pytest.mark.parametrize(("name", "settings", "distinct", "generated", "depth"), COUNTS)
def test_published_counts(
    name: str, settings: dict[str, int], distinct: int, generated: int | None, depth: int | None
) -> None:
    """To the state, the move and the level."""
    found = count(example(name, **settings))
    assert found[0] == distinct
    assert generated is None or found[1] == generated
    assert depth is None or found[2] == depth


@pytest.mark.parametrize(("name", "n", "orbits"), ORBITS)
def test_orbits(name: str, n: int, orbits: int) -> None:
    """States that differ in the names of interchangeable indices only, counted once."""
    space = example(name, n=n)
    assert count(space, lambda state: min(map(repr, space.images(state))))[0] == orbits


def test_images_are_moved_with_everything_that_speaks_of_them(tmp_path: Path) -> None:
    """Slots, indices, sets, queues; two index sets independently; the state itself is the first."""
    space = toy(tmp_path, "set: {}", variables=(
        "v: {each: [a, b], type: bool}", "i: {type: a?}", "s: {type: set of b}", "q: {type: queue of b, most: 2}",
    ), indices="{a: 2, b: 2}")  # fmt: skip
    state: State = (True, False, False, False, 0, frozenset({1}), (0, 1))
    assert list(space.images(state)) == [
        state,
        (False, True, False, False, 0, frozenset({0}), (1, 0)),
        (False, False, True, False, 1, frozenset({1}), (0, 1)),
        (False, False, False, True, 1, frozenset({0}), (1, 0)),
    ]


def test_what_is_done_under_other_names_is_the_same() -> None:
    """Every move out of an image is the image of a move, and formulas hold in both or in neither."""
    for name in ("06-counter", "10-two-phase-commit"):
        space = example(name)
        found = list(space.initial())
        for state in found:
            found += {edge.target for edge in space.edges(state) if edge.target is not None} - set(found)
        for state in found:
            moved = [tuple(space.images(edge.target or ())) for edge in space.edges(state)]
            for number, image in enumerate(space.images(state)):
                assert {edge.target for edge in space.edges(image)} == {images[number] for images in moved}
                for promised in space.properties:
                    if promised.kind in ("always", "reachable"):
                        assert space.holds(promised, "text", state) == space.holds(promised, "text", image)


def test_what_every_run_comes_to_may_name_a_member(tmp_path: Path) -> None:
    """That is found without symmetry; an invariant that does so refuses it."""
    for kind, sound in (("eventually", True), ("always", False)):
        space = toy(tmp_path, "set: {}", variables=("f: {each: a, type: bool}",), always="f[0]", kind=kind)
        if sound:
            assert len(list(space.images((False, False)))) == 2
        else:
            with pytest.raises(SpecError, match="'0' is a number, used as a member of a, so"):
                list(space.images((False, False)))


TOLD = [
    ("if: \"all(x + 1 < 9 for x in a)\"", "", "'x' is used as a number"),
    ("if: \"any(x < y for x in a for y in a)\"", "", "'x' is used as a number"),
    ("each: {x: a}, if: \"x == 0\"", "", "'x == 0' compares a member with a number"),
    ("set: {i: \"0\"}", "", "'0' is a number, used as a member of a"),
    ("if: \"any(x in s for x in range(2))\"", "", "'x' is a number, used as a member of a"),
    ("if: \"s == {0}\"", "", "'0' is a number, used as a member of a"),
    ("if: \"not empty(s) and lowest(s) == i\"", "", "'s' is asked for its lowest member"),
    ("set: {}", "j: {type: a}", "j starts as 0"),
    ("set: {}", "j: {type: a, initial: \"1\"}", "'1' is a number, used as a member of a"),
]  # fmt: skip


@pytest.mark.parametrize(("action", "variable", "said"), TOLD)
def test_what_tells_members_apart(action: str, variable: str, said: str, tmp_path: Path) -> None:
    """Numbers, order, constants and beginnings: symmetry is refused at that place."""
    more = (variable,) if variable else ()
    space = toy(tmp_path, action, variables=("i: {type: a?}", "s: {type: set of a}", *more), indices="{a: 2}")
    with pytest.raises(SpecError, match="so the members of a are not interchangeable") as caught:
        list(space.images(next(iter(space.initial()))))
    assert (caught.value.rule, said in caught.value.message) == ("not-symmetric", True)
    assert caught.value.place.line == (8 if variable else 9)


def test_nothing_to_exchange(tmp_path: Path) -> None:
    """A model without index sets, and one of more permutations than anybody could try."""
    with pytest.raises(SpecError, match="there is nothing to exchange"):
        list(example("02-die-hard").images((0, 0)))
    space = toy(tmp_path, "set: {}", variables=("s: {type: set of a}",), indices="{a: 9}")
    with pytest.raises(SpecError, match="362880 permutations of a; at most 50000"):
        list(space.images((frozenset(),)))


def toy(
    folder: Path,
    *actions: str,
    variables: tuple[str, ...],
    indices: str = "{a: 2}",
    always: str = "true",
    kind: str = "always",
) -> ModelSpace:
    """The space of a small model."""
    declared = "".join(f"  {variable}\n" for variable in variables)
    rows = "".join(f"- {{action: a{i}, {action}, why: x}}\n" for i, action in enumerate(actions))
    text = (
        f"language: 1\nmodel: toy\nessay: A toy.\nindices: {indices}\nvariables:\n{declared}"
        f"actions:\n{rows}properties: {{p: {{{kind}: '{always}', why: x}}}}\n"
    )
    (folder / "toy.yaml").write_text(text, "utf-8")
    return ModelSpace(Model.load(folder / "toy.yaml"))


VARIABLES = ("x: {type: '0..3'}", "i: {type: a?}", "s: {type: set of a}", "q: {type: queue of 0..3, most: 2}",
             "f: {each: a, type: bool}")  # fmt: skip
WITHOUT = [
    (
        'set: {x: "x + 1"}',
        r"a0 sets x to 4, outside of 0..3; .*; in x = 3, i = none, s = {}",
        "out-of-domain",
    ),
    ('set: {x: "x - 1"}', r"a0 sets x to -1, outside of 0..3", "out-of-domain"),
    (
        'set: {q: "append(q, 1)"}',
        r"a0 sets q to \[1, 1, 1\], outside of queue of 0..3; .*; in .*q = \[1, 1\]",
        "out-of-domain",
    ),
    ('set: {q: "append(q, x + 3)", x: "1"}', r"a0 has no value: 4 is outside of 0..3", "no-value"),
    ('set: {q: "tail(q)"}', r"a0 has no value: tail of \[\], which has nothing at 0; ask for len", "no-value"),
    ('if: "head(q) == 1"', r"a0 has no value: head of \[\]", "no-value"),
    ('if: "q[1] == 1"', r"a0 has no value: subscript of \[\], which has nothing at 1", "no-value"),
    ('set: {q: "drop(q, 1)"}', r"a0 has no value: drop of \[\]", "no-value"),
    ('if: "f[i]"', r"a0 has no value: none is outside of 0..1; ask for that before", "no-value"),
    ('set: {x: "1"}, if: "f[x]"', r"a0 has no value: 2 is outside", "no-value"),
    ('if: "the(s) == 0"', r"a0 has no value: the\(\[\]\) needs exactly one member; ask one", "no-value"),
    ('set: {i: "lowest(s)"}', r"a0 has no value: the\(\[\]\)", "no-value"),
]


@pytest.mark.parametrize(("action", "message", "rule"), WITHOUT, ids=[action for action, _, _ in WITHOUT])
def test_an_action_without_a_value(action: str, message: str, rule: str, tmp_path: Path) -> None:
    """Is an error when it is reached: its place, the values, and what would help. What `and` settles before is none."""
    space = toy(tmp_path, action, 'if: "x < 2 and len(q) == 0", set: {x: "x + 1"}', variables=VARIABLES)
    with pytest.raises(SpecError, match=message) as caught:
        count(space)
    assert (caught.value.rule, caught.value.place.line) == (rule, 12)
    careful = action.replace('if: "', 'if: "false and ') if "if:" in action else f'{action}, if: "x > 3"'
    assert count(toy(tmp_path, careful, variables=VARIABLES))[0] == 1


def test_a_formula_without_a_value(tmp_path: Path) -> None:
    """At its own place."""
    space = toy(tmp_path, "set: {}", variables=VARIABLES, always="the(s) == 0")
    with pytest.raises(SpecError, match=r"13:26: 'p' has no value: the\(\[\]\) needs .*; in x = 0") as caught:
        space.holds(space.properties[0], "text", next(iter(space.initial())))
    assert caught.value.rule == "no-value"


@pytest.mark.parametrize("engine", ["fast", "reference"])
@pytest.mark.parametrize(
    "said",
    [
        "not any(f[i] for i in a) or any(head(r[i]) for i in a)",
        "all(not f[i] or f[i] and not head(r[i]) for i in a if f[i]) or all(not head(r[i]) for i in a)",
        "any(r[i][0] for i in a for j in a if f[j]) or not any(f[i] for i in a)",
    ],
)
def test_no_member_of_a_quantifier_is_asked_before_the_others(said: str, engine: str, tmp_path: Path) -> None:
    """One without a value is seen with symmetry and without, whoever of the members it is."""
    space = toy(tmp_path, 'each: {i: a}, set: {"f[i]": "true", "r[i]": "append(r[i], true)"}, if: "not f[i]"',
                variables=("f: {each: a, type: bool}", "r: {each: a, type: queue of bool, most: 1}"),
                indices="{a: 3}", always=said)  # fmt: skip
    for symmetry in (False, True):
        with pytest.raises(SpecError, match="'p' has no value") as caught:
            explore(space, engine=engine, symmetry=symmetry)
        assert caught.value.rule == "no-value"


def test_a_member_shields_itself_alone(tmp_path: Path) -> None:
    """What is asked of a member before is asked of this one; there are as many states as by hand."""
    space = toy(tmp_path, 'each: {i: a}, set: {"f[i]": "true", "r[i]": "append(r[i], true)"}, if: "not f[i]"',
                variables=("f: {each: a, type: bool}", "r: {each: a, type: queue of bool, most: 1}"), indices="{a: 3}",
                always="any(head(r[i]) for i in a if f[i]) and all(len(r[i]) == 0 or head(r[i]) for i in a) == f[0]",
                )  # fmt: skip
    result = explore(space)
    assert (result.distinct, result.verdicts[0].verdict) == (8, "violated")


def test_formulas() -> None:
    """In states and on steps, and the needs and goals of properties."""
    space = example("10-two-phase-commit")
    said = {promised.name: promised for promised in space.properties}
    state = next(iter(space.initial()))
    abort = next(edge for edge in space.edges(state) if edge.label == "decide_abort")

    def holds(promised: Property, part: str, target: State | None = None) -> bool:
        return space.holds(promised, part, state, target)

    assert holds(said["consistent"], "text")
    assert not holds(said["consistent"], "needs")
    assert not holds(said["committed"], "text")
    assert holds(said["once"], "text", abort.target)
    assert not space.holds(said["once"], "text", abort.target or (), state)


def test_edges_are_told(tmp_path: Path) -> None:
    """With arguments, updates, the fault and the reason; budgets are no part of what properties see."""
    space = example("10-two-phase-commit")
    edge = next(edge for edge in space.edges(next(iter(space.initial()))) if edge.label == "prepare(r=2)")
    told = space.told(edge)
    assert (edge.group, edge.fault, told.at, space.fired(edge)) == ("prepare(r=2)", None, "r=2", ("prepare",))
    assert told.firings[0].set == {"state[2]": "prepared", "said": frozenset({2})}
    assert told.firings[0].why == "its work is done, and it says so"
    lossy = ModelSpace(Model.load(specs() / "examples" / "14-alternating-bit.yaml").with_setting("faults.lose", "1"))
    assert set(lossy.named(next(iter(lossy.initial())))) == {slot.name for slot in lossy.grounded.slots[:-1]}
    assert count(lossy)[0] > 240


def test_many_slots(tmp_path: Path) -> None:
    """An action leaves alone what it does not set, however many that is."""
    space = toy(
        tmp_path, 'each: {i: a}, set: {"f[i]": "true"}', variables=("f: {each: a, type: bool}",), indices="{a: 40}"
    )
    targets = [edge.target for edge in space.edges((False,) * 40)]
    assert targets == [(False,) * i + (True,) + (False,) * (39 - i) for i in range(40)]


def test_a_constraint_cuts() -> None:
    """What it refuses is generated and not kept."""
    space = example("14-alternating-bit")
    cut = [edge for state in space.initial() for edge in space.edges(state) if edge.cut]
    assert cut == []
    full = next(iter(space.initial()))
    for _ in range(2):
        full = next(e.target for e in space.edges(full) if e.label == "answer" and e.target is not None)
    assert [e.cut for e in space.edges(full) if e.label == "answer"] == [True]
