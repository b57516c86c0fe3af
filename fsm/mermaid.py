"""A picture as a Mermaid flowchart, which many web pages of code show as they are.

A flowchart and not Mermaid's stateDiagram-v2, for that has no way to colour an edge. An edge of several kinds is
several edges here. Where edges run close, Mermaid lets their labels lie on each other; the layout of Graphviz does
not, so pages show that. Left out, for Mermaid has no place for them: tooltips of edges, and colours of lines inside a
box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fsm.picture import ANY, COLOURS, Box, Edge, Frame, Line, Picture

SETTINGS = '%%{init: {"flowchart": {"nodeSpacing": 60, "rankSpacing": 60}}}%%'
SHAPES = {"state": ("(", ")"), "final": ("([", "])"), "any": ("([", "])")}
STROKES = {"plain": "", "thick": ",stroke-width:4px", "dashed": ",stroke-dasharray:4"}
MARKS = {"": ("", ""), "bold": ("<b>", "</b>"), "italic": ("<i>", "</i>")}
ENTITIES = {"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "\\": "#92;", "`": "#96;"}


def mermaid(picture: Picture) -> str:
    """The text of a picture, ending in a newline."""
    lines = [SETTINGS, "flowchart TB"]
    lines += ["    start_((( ))):::dot"] if picture.start else []
    lines += _inside(picture.frame, "    ")
    lines += [f"    start_ --> s_{picture.start}"] if picture.start else []
    strands = [(edge, tone) for edge in picture.edges for tone in edge.strands]
    lines += (f'    {_box(e.source)} -- "{_label(e.strands[tone])}" --> {_box(e.target)}' for e, tone in strands)
    lines += _styles(strands, 1 if picture.start else 0)
    lines += ["    classDef dot fill:#57606a,stroke:#57606a", "    classDef any stroke-dasharray:4"]
    return "\n".join([*lines, "    classDef strong stroke-width:4px"]) + "\n"


def _box(name: str) -> str:
    """The id of a box. The prefix keeps words that Mermaid reserves (`end`) from being ids."""
    return "any_state" if name == ANY else f"s_{name}"


def _inside(frame: Frame, indent: str) -> Iterator[str]:
    for part in frame.parts:
        if isinstance(part, Box):
            yield f"{indent}{_drawn(part)}"
        else:
            yield f'{indent}subgraph f_{part.name}["<b>{part.name}</b>"]'
            yield from _inside(part, indent + "    ")
            yield f"{indent}end"


def _drawn(box: Box) -> str:
    opening, closing = SHAPES[box.shape]
    style = ":::strong" if box.strong else ":::any" if box.shape == "any" else ""
    return f'{_box(box.name)}{opening}"{_label((*box.title, *box.lines))}"{closing}{style}'


def _styles(strands: Iterable[tuple[Edge, str]], first: int) -> Iterator[str]:
    """The colours of edges; Mermaid numbers them from 0 as they stand, that of the start included."""
    styles: dict[str, list[str]] = {}
    for number, (edge, tone) in enumerate(strands, first):
        styles.setdefault(f"stroke:{COLOURS[tone]},color:{COLOURS[tone]}{STROKES[edge.stroke]}", []).append(str(number))
    yield from (f"    linkStyle {','.join(numbers)} {style}" for style, numbers in styles.items())


def _label(lines: Iterable[Line]) -> str:
    return "<br/>".join(f"{MARKS[line.style][0]}{_escape(line.text)}{MARKS[line.style][1]}" for line in lines)


def _escape(text: str) -> str:
    """Text inside a quoted label."""
    return "".join(ENTITIES.get(character, character) for character in text)
