"""Chance models, grounded and tiny: slots of every type, terms of every operation, with and without a value.

They are made of terms, not of text: what a text may say is less than what a kernel has to read.
"""

from __future__ import annotations

from itertools import product
from random import Random

from fsm.errors import Place
from fsm.language.document import Item
from fsm.models.model import Model
from fsm.models.model_space import ModelSpace
from fsm.models.operations import arithmetic, joint, whole
from fsm.models.terms import BOOL, Apply, Const, GroundAction, Grounded, Read, Slot, Term, Type
from fsm.models.types import values
from fsm.search.space import Fairness, Property

AT = Place("chance.yaml")
SIZE = 3
ENUM = Type("enum", members=("red", "green", "blue"))
INDEX = Type("index", high=SIZE - 1, of="p")
MAYBE = Type("index", high=SIZE - 1, of="p", optional=True)
SET = Type("set", high=SIZE - 1, of="p")
BITS, COLOURS = Type("queue", element=whole(0, 1), most=2), Type("queue", element=ENUM, most=1)
TYPES = (BOOL, ENUM, whole(-1, 1), whole(0, 2), whole(0, 99), INDEX, MAYBE, SET, BITS, COLOURS)
COMPARISONS = {"int": ("==", "<", "<=", ">", ">="), "set": ("==", "<=")}
"""By the kind of what is compared; all others are equal or not."""
KINDS = ("always", "reachable", "step", "deadlock")


class Terms:
    """Terms over some slots, by type.

    Arguments:
        sure: every term has a value.
        next: some terms read the state after a step.
    """

    def __init__(self, random: Random, slots: tuple[Slot, ...], sure: bool = False, next: bool = False) -> None:
        self.random, self.slots, self.sure, self.next = random, slots, sure, next

    def term(self, type: Type, depth: int) -> Term:
        """A term of this type; of an int only the kind is kept."""
        reads = [place for place, slot in enumerate(self.slots) if fits(slot.type, type)]
        if reads and self.random.random() < (0.5 if depth else 0.8):
            place = self.random.choice(reads)
            return Read(place, self.slots[place].type, self.next and self.random.random() < 0.5)
        if depth == 0 or self.random.random() < 0.15:
            return Const(self.random.choice(list(values(type))), type)
        if type != BOOL and self.random.random() < 0.2:
            then, other = (self.term(type, depth - 1) for _ in "ab")
            return Apply("if", (self.term(BOOL, depth - 1), then, other), joint(then.type, other.type))
        if self.sure and type.kind in ("enum", "index", "queue"):
            return Const(self.random.choice(list(values(type))), type)
        term: Term = getattr(self, f"{type.kind}_term")(type, depth - 1)
        return term

    def bool_term(self, type: Type, depth: int) -> Term:
        """Tests, and tests put together."""
        chance = self.random.random()
        if chance < 0.3:
            args = tuple(self.term(BOOL, depth) for _ in range(self.random.randint(2, 3)))
            return Apply(self.random.choice(("and", "or")), args, BOOL)
        if chance < 0.4:
            return Apply("not", (self.term(BOOL, depth),), BOOL)
        if chance < 0.5:
            return Apply("in", (self.term(INDEX, depth), self.term(SET, depth)), BOOL)
        compared = self.random.choice((ENUM, whole(0, 2), whole(-1, 1), INDEX, MAYBE, SET, BITS, COLOURS))
        op = self.random.choice(COMPARISONS.get(compared.kind, ("==",)))
        return Apply(op, (self.term(compared, depth), self.term(compared, depth)), BOOL)

    def int_term(self, type: Type, depth: int) -> Term:
        """Arithmetic; what is long or large."""
        chance = self.random.random()
        if chance < 0.15:
            return Apply("size", (self.term(SET, depth),), whole(0, SIZE))
        if chance < 0.3:
            return Apply("len", (self.term(self.random.choice((BITS, COLOURS)), depth),), whole(0, 9))
        if chance < 0.4:
            return Apply("number", (self.term(INDEX, depth),), whole(0, SIZE - 1))
        if chance < 0.55 and not self.sure:
            return self.element(BITS, depth)
        if chance < 0.65:
            return arithmetic(self.random.choice(("//", "%")), self.term(type, depth), Const(2, whole(2, 2)))
        op = self.random.choice(("+", "-", "*", "min", "max"))
        return arithmetic(op, self.term(type, depth), self.term(type, depth))

    def enum_term(self, type: Type, depth: int) -> Term:
        """One of a queue."""
        return self.element(COLOURS, depth)

    def element(self, type: Type, depth: int) -> Term:
        """One of a queue, which may not be there."""
        assert type.element is not None
        if self.random.random() < 0.5:
            return Apply("head", (self.term(type, depth),), type.element)
        return Apply("at", (self.term(type, depth), self.term(whole(0, 2), depth)), type.element)

    def index_term(self, type: Type, depth: int) -> Term:
        """The member of a set, or a number that may be none."""
        if self.random.random() < 0.4:
            return Apply("the", (self.term(SET, depth),), INDEX)
        return Apply("index", (self.term(self.random.choice((MAYBE, whole(0, 2))), depth),), INDEX)

    def set_term(self, type: Type, depth: int) -> Term:
        """Sets of sets, members and tests."""
        op = self.random.choice(("&", "|", "\\", "set", "such"))
        if op == "set":
            return Apply(op, tuple(self.term(INDEX, depth) for _ in range(self.random.randint(1, 2))), SET)
        if op == "such":
            return Apply(op, tuple(self.term(BOOL, depth) for _ in range(SIZE)), SET)
        return Apply(op, (self.term(SET, depth), self.term(SET, depth)), SET)

    def queue_term(self, type: Type, depth: int) -> Term:
        """Queues that grow by one and shrink by one."""
        assert type.element is not None
        op, queue = self.random.choice(("append", "tail", "drop")), self.term(type, depth)
        if op == "append":
            added = self.term(type.element, depth)
            sure = added if added.type == type.element else Const(next(iter(values(type.element))), type.element)
            longer = Type("queue", element=type.element, most=queue.type.most + 1)
            return Apply(op, (queue, sure), longer)
        rest = (self.term(whole(0, 2), depth),) if op == "drop" else ()
        return Apply(op, (queue, *rest), queue.type)


def fits(given: Type, wanted: Type) -> bool:
    """Whether a slot may stand where a type is wanted."""
    return given.kind == wanted.kind and (given.kind == "int" or given == wanted)


def chance_model(random: Random) -> ModelSpace:
    """A model with a few slots, actions and properties."""
    slots = tuple(Slot(f"v{i}", random.choice(TYPES), f"v{i}", ()) for i in range(random.randint(1, 4)))
    terms, formula = Terms(random, slots), Terms(random, slots, sure=True)
    properties, formulas = [], {}
    for i in range(random.randint(0, 3)):
        kind = random.choice(KINDS)
        needs = random.choice(("", "needed"))
        properties.append(Property(f"promise{i}", kind, "text", "because", AT, needs=needs))
        formulas[f"promise{i}", "text"] = Terms(random, slots, True, kind == "step").term(BOOL, 2)
        if needs:
            formulas[f"promise{i}", "needs"] = formula.term(BOOL, 1)
    where, constraint = (terms.term(BOOL, 2) if random.random() < 0.2 else None for _ in "ab")
    actions = tuple(action(random, terms, f"a{i}") for i in range(random.randint(1, 5)))
    grounded = Grounded(slots, actions, initial(random, slots), where, constraint, formulas, {"p": SIZE})
    said = Item("formula", AT)
    model = Model(
        "chance", "", AT, {}, {}, (), said if where else None, said if constraint else None, {}, AT, (), Fairness(),
        tuple(properties),
    )  # fmt: skip
    space = ModelSpace(model)
    vars(space)["grounded"] = grounded
    return space


def initial(random: Random, slots: tuple[Slot, ...]) -> tuple[tuple[object, ...], ...]:
    """For each slot one value, or all of a few."""
    begins = []
    for slot in slots:
        some = list(values(slot.type))[:8]
        begins.append(tuple(some) if random.random() < 0.2 else (random.choice(some),))
    return tuple(begins)


def action(random: Random, terms: Terms, name: str) -> GroundAction:
    """An action; most have a guard that says what a slot is, as actions do."""
    guard = terms.term(BOOL, random.randint(0, 2))
    if random.random() < 0.7:
        place = random.randrange(len(terms.slots))
        type = terms.slots[place].type
        equal = Apply("==", (Read(place, type), Const(random.choice(list(values(type))), type)), BOOL)
        guard = Apply("and", (equal, guard) if random.random() < 0.5 else (guard, equal), BOOL)
    places = random.sample(range(len(terms.slots)), random.randint(1, len(terms.slots)))
    updates = tuple((place, update(random, terms, terms.slots[place].type)) for place in sorted(places))
    fault = random.choice((None, None, "loss"))
    return GroundAction(name, name, guard, updates, fault, "because", AT)


def update(random: Random, terms: Terms, type: Type) -> Term:
    """A new value; ints mostly stay inside, for a model that ends with an error says little."""
    if random.random() < 0.5:
        return Const(random.choice(list(values(type))), type)
    term = terms.term(type, 2)
    if type.kind == "int" and random.random() < 0.9:
        low, high = (Const(bound, whole(bound, bound)) for bound in (type.low, type.high))
        return arithmetic("max", low, arithmetic("min", high, term))
    return term


def all_states(space: ModelSpace) -> list[tuple[object, ...]]:
    """Every combination of values, reachable or not."""
    return list(product(*(values(slot.type) for slot in space.grounded.slots)))
