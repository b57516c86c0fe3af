"""Promises and fairness as a file writes them, of a pool or of a model alike.

    properties:
      S1:   {always: "size(acting) <= 1", needs: "one(acting)", why: "at most one acting master"}
      L1:   {leads_to: {from: "empty(acting)", to: "one(acting)"}, counting_on: [boot], why: "there is a master again"}
    fair: {weak: ["host * daemon.query"], strong: ["host * daemon.start"]}

A property says one of the kinds of `fsm.search.space.KINDS`, and `why`. What its formulas may name is the business of
whoever compiles them; that a pattern of `fair` fits anything is seen once all moves are known (`fsm.search.fairness`).
"""

from __future__ import annotations

from fsm.language.document import Item
from fsm.search.space import KINDS, Fairness, Property

COUNTING = ("recoverable", "eventually", "leads_to")
"""The kinds that promise something of the future, and may count on faults such as a boot."""


def read_property(name: str, item: Item) -> Property:
    """One entry of `properties`. Errors: `SpecError`."""
    entry = item.mapping("a property", (*KINDS, "needs", "counting_on", "why"))
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise item.fail(f"a property says one of {', '.join(KINDS)}", "missing-key")
    if "why" not in entry:
        raise item.fail(f"the property {name} needs a 'why': what it promises, in a sentence", "missing-why")
    kind, goal = kinds[0], ""
    formula, counts, needs = entry[kind], entry.get("counting_on"), entry.get("needs")
    if counts is not None and kind not in COUNTING:
        known = "only a recoverable property, eventually and leads_to count on something"
        raise counts.fail(f"{name} is {kind}; {known}", "unknown-key")
    if kind == "leads_to":
        ends = formula.mapping("leads_to", ("from", "to"))
        if len(ends) < 2:
            raise formula.fail("leads_to needs both 'from' and 'to': whenever the one holds, the other comes",
                               "missing-key")  # fmt: skip
        formula, goal = ends["from"], _formula(ends["to"])
    counting_on = tuple(fault.text("a fault") for fault in counts.sequence("counting_on")) if counts else ()
    needed = _formula(needs) if needs is not None else ""
    return Property(name, kind, _formula(formula), entry["why"].why(), formula.at, counting_on, goal, needed)


def read_fairness(item: Item | None) -> Fairness:
    """The entry `fair`; None is a file without one: nothing need ever happen. Errors: `SpecError`."""
    if item is None:
        return Fairness()
    entry = item.mapping("fair", ("weak", "strong"))
    patterns = {key: tuple(p.text("a pattern") for p in child.sequence(key)) for key, child in entry.items()}
    return Fairness(patterns.get("weak", ()), patterns.get("strong", ()), item.at)


def _formula(item: Item) -> str:
    """A formula's text; `true` and `false` may stand without quotes."""
    return {True: "true", False: "false"}[item.value] if isinstance(item.value, bool) else item.text("a property")
