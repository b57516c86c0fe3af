"""A machine drawn: one picture, three formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fsm.dot import dot
from fsm.focus import WHOLE, Focus
from fsm.mermaid import mermaid
from fsm.picture import Picture, picture
from fsm.spec import Machine
from fsm.svg import svg

FORMATS: Mapping[str, Callable[[Picture], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}


def draw(machine: Machine, form: str = "mermaid", focus: Focus = WHOLE) -> str:
    """The text of a picture, ending in a newline; the same machine and focus give the same bytes.

    Arguments:
        machine: a loaded machine, checked or not.
        form: mermaid, dot or svg, which Graphviz lays out.
        focus: what of the machine is shown, and how.
    Errors: `KeyError` for another format; for svg, `SpecError` with the rule graphviz where `dot` cannot draw it.
    """
    return FORMATS[form](picture(machine, focus))
