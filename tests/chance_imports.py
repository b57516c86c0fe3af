"""Chance machines of `transitions`, flat and nested, with conditions and effects in every place that a spec carries.

Their models take the answers of the conditions from a mapping and note each effect, so that a spec can be compared.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from transitions import Machine
from transitions.extensions import HierarchicalMachine

FLAT = ["a", "b", "c"]
TREE = ["a", "b", "b_1", "b_2", "b_2_x", "b_2_y", "c"]
CONDITIONS = ("may_i_1", "may_i_2", "may_i_3")
EVENTS = ("go", "turn", "stop")


class NotingModel:
    """A model whose conditions answer `values` and whose effects are noted in `said`."""

    def __init__(self) -> None:
        self.values: dict[str, bool] = {}
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("may_i"):
            return lambda: self.values[name]
        if name.startswith("do_"):
            return lambda: self.said.append(name)
        raise AttributeError(name)


@st.composite
def chance_machines(draw: st.DrawFn) -> tuple[type[Machine], dict[str, Any]]:
    """A random machine, flat or nested, with conditions and effects in every place that a spec carries."""
    names = draw(st.sampled_from([FLAT, TREE]))
    effects = st.lists(st.sampled_from(["do_1", "do_2", "do_3"]), max_size=2)
    conditions = st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True)
    transition = st.fixed_dictionaries(
        {
            "trigger": st.sampled_from(EVENTS),
            "source": st.sampled_from(["*", *names]),
            "dest": st.sampled_from([None, "=", *names]),
            "conditions": conditions,
            "unless": conditions,
            "before": effects,
            "after": effects,
        }
    )

    def state(name: str, **more: Any) -> dict[str, Any]:
        final = draw(st.booleans())
        return {"name": name, "on_enter": draw(effects), "on_exit": draw(effects), "final": final, **more}

    if names is FLAT:
        states = [state(name) for name in FLAT]
    else:
        inner = state("2", children=[state("x"), state("y")], initial=draw(st.sampled_from([None, "x", "y"])))
        initial = draw(st.sampled_from([None, "1", "2"]))
        more = {"transitions": [[draw(st.sampled_from(EVENTS)), "1", "2"]]} if draw(st.booleans()) else {}
        states = [state("a"), state("b", children=[state("1"), inner], initial=initial, **more), state("c")]
    machine_wide = {kind: draw(effects) for kind in ("before_state_change", "after_state_change", "on_final")}
    return (Machine if names is FLAT else HierarchicalMachine), {
        "states": states,
        "initial": draw(st.sampled_from(names)),
        "transitions": draw(st.lists(transition, max_size=8)),
        "ignore_invalid_triggers": draw(st.booleans()),
        "auto_transitions": draw(st.booleans()),
        **machine_wide,
    }
