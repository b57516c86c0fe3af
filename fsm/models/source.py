"""Terms as Python source, compiled once: the source is made from checked terms only, never from a spec's text.

A state is a tuple with one value a slot. The functions made here take it apart once, into the names `s0`, `s1`, ...; in
a step property `t0`, `t1`, ... are the values after the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import define, field

from fsm.language.domains import Value
from fsm.models.operations import always_contains, at, drop, head, such, tail, the, within
from fsm.models.terms import Apply, Const, Read, Term, Type

INFIX = {"and": "and", "or": "or", "==": "==", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "+": "+",
         "-": "-", "*": "*", "//": "//", "%": "%", "in": "in", "&": "&", "|": "|", "\\": "-"}  # fmt: skip
CALLS = {"min": "min", "max": "max", "such": "such", "size": "len", "the": "the", "len": "len", "head": "head",
         "tail": "tail", "at": "at", "drop": "drop"}  # fmt: skip
NAMES: dict[str, Any] = {"__builtins__": {}, "min": min, "max": max, "len": len, "frozenset": frozenset,
                         "the": the, "head": head, "tail": tail, "at": at, "drop": drop, "such": such,
                         "within": within}  # fmt: skip


LONG_RUN = 16


class OutOfType(Exception):
    """A new value that its slot cannot have."""

    def __init__(self, slot: int, value: Value) -> None:
        super().__init__(slot, value)
        self.slot, self.value = slot, value


def out_of_type(slot: int, value: Value) -> None:
    """Errors: `OutOfType`, always."""
    raise OutOfType(slot, value)


@define
class Source:
    """Source of terms, and the constants that it names."""

    names: dict[str, Any] = field(factory=lambda: {**NAMES, "out_of_type": out_of_type})
    constants: dict[Value, str] = field(factory=dict)

    def of(self, term: Term) -> str:
        """The source of a term."""
        if isinstance(term, Read):
            return f"{'t' if term.next else 's'}{term.slot}"
        if isinstance(term, Const):
            return self.constant(term.value)
        args = [self.of(arg) for arg in term.args]
        if term.op in INFIX:
            return f"({f' {INFIX[term.op]} '.join(args)})"
        if term.op in CALLS:
            return f"{CALLS[term.op]}({', '.join(args)})"
        if term.op == "if":
            return f"({args[1]} if {args[0]} else {args[2]})"
        return self.special(term, args)

    def special(self, term: Apply, args: Sequence[str]) -> str:
        """The source of what is neither an operator nor a call."""
        if term.op == "not":
            return f"(not {args[0]})"
        if term.op == "number":
            return args[0]
        if term.op == "index":
            return f"within({args[0]}, {term.type.low}, {term.type.high})"
        if term.op == "set":
            return f"frozenset(({', '.join(args)},))"
        return f"({args[0]} + ({args[1]},))"  # append

    def constant(self, value: Value) -> str:
        """A constant: written out where it is short, else by a name."""
        if isinstance(value, int | str) or value is None:
            return repr(value)
        name = self.constants.setdefault(value, f"c{len(self.constants)}")
        self.names[name] = value
        return name

    def function(self, lines: Iterable[str], name: str) -> Callable[..., Any]:
        """The function of this name that some lines define."""
        exec(compile("\n".join(lines), "<model>", "exec"), self.names)
        function: Callable[..., Any] = self.names[name]
        return function


def reads_next(term: Term) -> bool:
    """Whether a term looks at the state after the step."""
    return any(map(reads_next, term.args)) if isinstance(term, Apply) else isinstance(term, Read) and term.next


def apart(slots: int, letter: str = "s", state: str = "state") -> str:
    """The line that takes a state apart."""
    return f"    {', '.join(f'{letter}{slot}' for slot in range(slots))}, = {state}"


def rebuilt(slots: int, written: Sequence[int]) -> str:
    """The state after an action that sets some slots (in order): a long run of others is taken over as it is, for the
    compiler is slow with thousands of names."""
    parts, begin = list[str](), 0
    for slot in (*written, slots):
        run = [f"s{kept}" for kept in range(begin, slot)]
        parts += run if len(run) < LONG_RUN else [f"*state[{begin}:{slot}]"]
        parts += [f"n{slot}"] if slot < slots else []
        begin = slot + 1
    return f"({', '.join(parts)},)"


def checked(source: Source, slot: int, wanted: Type, term: Term) -> Iterator[str]:
    """Lines that give `n0`, ... (the new value of a slot) and refuse one that lies outside of its type."""
    name = f"n{slot}"
    yield f"{name} = {source.of(term)}"
    if always_contains(wanted, term.type):
        return
    if wanted.kind == "queue":
        outside = f"len({name}) > {wanted.most}"
    else:
        outside = f"not {wanted.low} <= {name} <= {wanted.high}"
    yield f"if {outside}: out_of_type({slot}, {name})"
