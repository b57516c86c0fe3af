"""The kernel of a model says in arrays what its space says one state at a time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from fsm.errors import Place, SpecError
from fsm.locate import specs
from fsm.models.model import Model
from fsm.models.model_kernel import ModelKernel
from fsm.models.model_space import ModelSpace
from fsm.models.operations import whole
from fsm.models.packing import Packing
from fsm.models.terms import Slot, Type
from fsm.search.explore import FAST, REFERENCE, explore
from fsm.search.result import Result
from tests.chance_models import all_states, chance_model

BLOCKS, MODELS = 8, 150
NO_VALUES = ("no-value", "out-of-domain")


def _told(space: ModelSpace, engine: str) -> tuple[Any, ...]:
    """What an engine says of a model, or the rule that it breaks."""
    try:
        result: Result = explore(space, engine=engine)
    except SpecError as error:
        return ("error", error.rule in NO_VALUES)
    verdicts = [(v.property.name, v.verdict, None if v.trace is None else len(v.trace)) for v in result.verdicts]
    return result.distinct, result.generated, result.edges, result.depth, verdicts, sorted(result.fired)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_both_engines_say_the_same_of_chance_models(block: int) -> None:
    """States, moves, edges, levels, verdicts, lengths of traces and actions taken; or that something has no value."""
    seen = Counter[str]()
    for seed in range(block * MODELS, (block + 1) * MODELS):
        told = _told(chance_model(Random(seed)), REFERENCE)
        assert _told(chance_model(Random(seed)), FAST) == told, f"chance model {seed}"
        seen["error" if told == ("error", True) else "more" if told[0] > 1 else "one"] += 1
    assert seen["more"] > MODELS / 3
    assert seen["error"] > MODELS / 50


def _moves(space: ModelSpace, state: Any) -> tuple[int, Counter[Any]] | None:
    """How many moves a state has, and the actions and targets of those that lead elsewhere."""
    try:
        edges = list(space.edges(state))
    except SpecError:
        return None
    return len(edges), Counter((e.group, e.target) for e in edges if not e.cut and e.target != state)


def _batched(kernel: ModelKernel, states: Any) -> tuple[int, list[Counter[Any]]] | None:
    """How many moves some states have, and of each the actions and targets of those that lead elsewhere."""
    generated, found = 0, [Counter[Any]() for _ in states]
    try:
        for batch in kernel.expand(states):
            generated += batch.generated
            for source, target, group in zip(batch.sources, batch.targets, np.asarray(batch.group), strict=True):
                found[source][kernel.groups[group][0], kernel.unpack(int(target))] += 1
    except SpecError:
        return None
    return generated, found


@pytest.mark.parametrize("block", range(2))
def test_every_move_has_its_source_and_its_action(block: int) -> None:
    """In all states at once, those that nothing leads to included; stuck is where nothing but faults may happen."""
    tried = 0
    for seed in range(block * 25, (block + 1) * 25):
        space = chance_model(Random(seed))
        states = [state for state in all_states(space)[:300] if _moves(space, state) is not None]
        if not states:
            continue
        kernel = ModelKernel(space)
        packed = np.array([kernel.pack(state) for state in states], kernel.packing.kind)
        assert [kernel.unpack(int(number)) for number in packed] == states
        told = _batched(kernel, packed)
        moves = [_moves(space, state) or (0, Counter()) for state in states]
        assert told == (sum(number for number, _ in moves), [found for _, found in moves]), f"chance model {seed}"
        stuck = [all(edge.fault for edge in space.edges(state)) for state in states]
        assert kernel.stuck(packed).tolist() == stuck
        tried += len(states)
    assert tried > 500


class _Short(ModelKernel):
    """A kernel that loses the moves of one action."""

    def expand(self, states: Any) -> Any:
        for batch in super().expand(states):
            kept = (np.asarray(batch.group) != 2).nonzero()[0]
            yield type(batch)(batch.sources[kept], batch.targets[kept], batch.generated, 0)


def test_a_kernel_that_loses_moves_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The count of two-phase commit does not survive it, so a checker that reports fewer states fails the suite."""
    space = _example("10-two-phase-commit")
    assert (explore(space).distinct, space.grounded.actions[2].label) == (288, "prepare(r=2)")
    monkeypatch.setattr(ModelSpace, "kernel", lambda self: _Short(self))
    assert explore(space).distinct < 288


def test_a_search_that_takes_all_targets_for_different_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The famous trap: an action leads from two states to one where its guard does not say what all written bits were.
    Whoever thinks otherwise counts too many."""
    monkeypatch.setattr("fsm.search.visited.distinct", lambda states: states)
    assert explore(_example("10-two-phase-commit")).distinct > 288


def _example(name: str, **settings: int) -> ModelSpace:
    model = Model.load(specs() / "examples" / f"{name}.yaml")
    for setting, value in settings.items():
        model = model.with_setting(setting, str(value))
    return ModelSpace(model)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_values_that_are_written_where_others_are_fixed_collide(n: int) -> None:
    """Two states may lead to one by the same action, where the guard does not say what all written bits were. A search
    that takes one action's targets for different counts them twice: 2^n + 4^n + 6^n is what there is."""
    assert explore(_example("10-two-phase-commit", n=n)).distinct == 2**n + 4**n + 6**n


def test_a_state_that_is_too_wide_names_the_variable() -> None:
    """64 bits are one too many: all ones would be a state, and mean an empty cell. All slots of a variable count."""
    wide = Type("int", low=0, high=2**40 - 1)
    slots = [Slot("x", wide, "x", ()), Slot("y", whole(0, 2**24 - 1), "y", ())]
    assert Packing([slots[0]], Place("m.yaml")).bits == 40
    with pytest.raises(SpecError, match=r"m\.yaml.* 64 bits \(x alone 40\).* 63.*--engine reference") as caught:
        Packing(slots, Place("m.yaml"))
    assert caught.value.rule == "too-large"
    many = [Slot(f"z[{i}]", whole(0, 1), "z", (i,)) for i in range(41)]
    with pytest.raises(SpecError, match=r" 81 bits \(z alone 41\)"):
        Packing([slots[0], *many], Place("m.yaml"))


def test_half_a_million_states_at_the_beginning_are_made_in_arrays() -> None:
    """Every can of up to a thousand beans, of a million combinations."""
    kernel = ModelKernel(_example("03-coffee-can", n=1000))
    states = kernel.initial()
    assert len(states) == len(np.unique(states)) == 501_500


def _limits(folder: Path, size: int, formula: str) -> ModelSpace:
    """A model with so many members, of which two are any, and a formula that always holds."""
    (folder / "limits.yaml").write_text(
        f"""\
language: 1
model: limits
essay: As large as may be.
indices: {{a: {size}}}
variables: {{x: {{type: a, initial: any}}, y: {{type: "a?", initial: any}}, k: {{type: "0..99"}}}}
actions:
- {{action: rest, set: {{k: k}}, why: "nothing happens"}}
properties: {{p: {{always: "{formula}", why: "it holds"}}}}
""",
        "utf-8",
    )
    return ModelSpace(Model.load(folder / "limits.yaml"))


LIMITS = [
    (63, "(x in {m for m in a if m == y}) == (x == y)"),
    (63, "y == none or y in a and size({x, y}) > 0"),
    (40, "count(m != y for m in a for l in a) == 1600 - (0 if y == none else 40)"),
    (20, "min(" + "k, " * 400 + "k) == k"),
    (50, "(k + " * 30 + "(0 if lowest({x, lowest({x})}) == x else 1)" + ")" * 30 + " == 0"),
]


@pytest.mark.parametrize(("size", "formula"), LIMITS, ids=[formula[:20] for _, formula in LIMITS])
def test_the_largest_there_is_is_the_same_in_both(size: int, formula: str, tmp_path: Path) -> None:
    """Sets of 63 members, sums of 1600 terms, terms more than a hundred deep: no overflow, and no parser gives up."""
    space = _limits(tmp_path, size, formula)
    for engine in (FAST, REFERENCE):
        result = explore(space, engine=engine)
        assert (result.distinct, result.verdicts[0].verdict) == (size * (size + 1), "holds"), engine


@pytest.mark.parametrize(
    ("size", "formula", "message"),
    [
        (64, "true", "the size of a is 64; it lies between 1 and 63"),
        (40, "lowest({lowest({lowest({lowest({x, y}), x}), x}), x}) == x", "is nested too deep; use a variable"),
        (40, "empty({u for u in {v for v in {w for w in a - {x}} - {x}} - {x}} - {x})", "over 200000 terms"),
    ],
)
def test_what_grows_with_each_nesting_is_refused(size: int, formula: str, message: str, tmp_path: Path) -> None:
    """Written out, what a quantifier goes through occurs once a member: forty times forty times forty."""
    with pytest.raises(SpecError, match=message):
        _limits(tmp_path, size, formula)


def test_a_constant_beyond_64_bits_is_refused(tmp_path: Path) -> None:
    """By the fast engine, in a line; the reference engine computes with it."""
    space = _limits(tmp_path, 2, "k + (0 if y == none else 1) < 2000000000 * 2000000000 * 2000000000")
    with pytest.raises(SpecError, match=r"a number is more than .* --engine reference"):
        explore(space)
    assert explore(space, engine=REFERENCE).verdicts[0].verdict == "holds"
