"""A picture as a Mermaid flowchart, which many web pages of code show as they are.

A flowchart and not Mermaid's stateDiagram-v2, for that has no way to colour an edge. An edge of several kinds is
grey, and its lines have the colours of their kinds: an edge for each kind would be truer, but where several run
close, Mermaid lets their labels lie on each other. Even so some do; the layout of Graphviz has none, so pages show
that. Left out, for Mermaid has no place for them: tooltips of edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import evolve

from fsm.pictures.picture import ANY, COLOURS, GREY, Box, Edge, Frame, Line, Picture

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
    lines += map(_edge, picture.edges)
    lines += _styles(picture.edges, 1 if picture.start else 0)
    lines += _tones(picture.frame.boxes())
    lines += [f"    classDef dot fill:{GREY},stroke:{GREY}", "    classDef any stroke-dasharray:4"]
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


def _edge(edge: Edge) -> str:
    """An edge of one kind has its colour, which is its label's too; one of several has it line by line."""
    mixed = len(edge.strands) > 1
    label = _label(line if mixed else evolve(line, tone="") for lines in edge.strands.values() for line in lines)
    return f'    {_box(edge.source)} -- "{label}" --> {_box(edge.target)}'


def _styles(edges: Iterable[Edge], first: int) -> Iterator[str]:
    """The colours of edges; Mermaid numbers them from 0 as they stand, that of the start included."""
    styles: dict[str, list[str]] = {}
    for number, edge in enumerate(edges, first):
        colour = COLOURS[next(iter(edge.strands))] if len(edge.strands) == 1 else GREY
        styles.setdefault(f"stroke:{colour},color:{colour}{STROKES[edge.stroke]}", []).append(str(number))
    yield from (f"    linkStyle {','.join(numbers)} {style}" for style, numbers in styles.items())


def _tones(boxes: Iterable[Box]) -> Iterator[str]:
    """The colours of boxes that another version has otherwise or not."""
    yield from (f"    style {_box(box.name)} stroke:{COLOURS[box.tone]},stroke-width:4px" for box in boxes if box.tone)


def _label(lines: Iterable[Line]) -> str:
    return "<br/>".join(_marked(line) for line in lines)


def _marked(line: Line) -> str:
    opening, closing = MARKS[line.style]
    text = f"{opening}{_escape(line.text)}{closing}"
    return f"<font color='{COLOURS[line.tone]}'>{text}</font>" if line.tone else text


def _escape(text: str) -> str:
    """Text inside a quoted label."""
    return "".join(ENTITIES.get(character, character) for character in text)
