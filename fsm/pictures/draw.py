"""A machine drawn: one picture, three formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fsm.language.spec import Machine
from fsm.pictures.dot import dot
from fsm.pictures.focus import WHOLE, Focus
from fsm.pictures.mermaid import mermaid
from fsm.pictures.picture import Picture, picture
from fsm.pictures.svg import svg

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
