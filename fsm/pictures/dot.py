"""A picture in the language of Graphviz, whose layout keeps labels from lying on each other.

What has no place on a label stands in tooltips: all that a box or an edge says in full, each row with its id and
`why`. Labels are of Graphviz's HTML kind, for lines of their own style; those of an edge are flush left, so that its
rows read as a list. Boxes and edges have ids, by which `fsm.pictures.svg` finds them again in what Graphviz has drawn.

States stand from top to bottom in the order of the file as far as their edges ask for it: an edge to a state that is
written earlier runs upward. So whoever writes the machine decides what its picture looks like, and one more row does
not turn it upside down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsm.pictures.picture import ANY, COLOURS, GREY, Box, Edge, Frame, Line, Picture

FONT = "Helvetica,Arial,sans-serif"
HEAD = f"""\
    graph [rankdir=TB, bgcolor=white, pad=0.2, nodesep=0.06, ranksep=0.3, fontname="{FONT}", fontsize=12, tooltip=" "]
    node [shape=box, style="rounded,filled", fillcolor="#f3f5f8", color="{GREY}", height=0.35]
    node [fontname="{FONT}", fontsize=12]
    edge [fontname="{FONT}", fontsize=10, arrowsize=0.7]"""
DOT = f'    start [shape=circle, style=filled, fillcolor="{GREY}", width=0.2, height=0.2, label="", tooltip="start"]'
SHAPES = {"state": "", "final": ", peripheries=2", "any": ', style="rounded,dashed"'}
MARKS = {"": ("", ""), "bold": ("<B>", "</B>"), "italic": ("<I>", "</I>")}
STROKES = {"plain": "", "thick": ", penwidth=3", "dashed": ", style=dashed"}
GAP = "&#160;"
LEFT = '<BR ALIGN="LEFT"/>'


def dot(picture: Picture) -> str:
    """The text of a picture, ending in a newline."""
    lines = [
        f'digraph "{picture.machine}" {{',
        HEAD,
        *([DOT] if picture.start else []),
        *_inside(picture.frame, "    "),
    ]
    if picture.start:
        lines.append(f'    start -> {box_id(picture.start)} [color="{GREY}", tooltip="start"]')
    order = {box.name: place for place, box in enumerate(picture.frame.boxes())}
    lines += (
        _edge(edge_id(n), edge, order[edge.target] < order[edge.source]) for n, edge in enumerate(picture.edges, 1)
    )
    return "\n".join([*lines, "}"]) + "\n"


def box_id(name: str) -> str:
    """The id of a box. The prefix keeps words that Graphviz reserves (`node`) from being ids."""
    return "any_state" if name == ANY else f"s_{name}"


def edge_id(number: int) -> str:
    """The id of an edge, counted from 1 as the picture has them."""
    return f"edge_{number}"


def tooltip(tips: Sequence[str]) -> str:
    """What a tooltip says: a line for each tip."""
    return "\n".join(tips)


def _inside(frame: Frame, indent: str) -> Iterator[str]:
    for part in frame.parts:
        if isinstance(part, Box):
            yield f"{indent}{_drawn(part)}"
        else:
            yield f"{indent}subgraph cluster_{part.name} {{"
            yield f'{indent}    graph [label=<<B>{part.name}</B>>, style=rounded, color="{GREY}", tooltip=" "]'
            yield from _inside(part, indent + "    ")
            yield f"{indent}}}"


def _drawn(box: Box) -> str:
    """A box: its title in the middle, what happens in it below, in smaller letters."""
    title = "<BR/>".join(_marked(line) for line in box.title)
    lines = "".join(f"{LEFT}{_marked(line)}" for line in box.lines)
    if lines:
        title += f'<BR/><FONT POINT-SIZE="10">{lines.removeprefix(LEFT)}{LEFT}</FONT>'
    width = ", penwidth=3" if box.strong or box.tone else ""
    width += f', color="{COLOURS[box.tone]}"' if box.tone else ""
    name = box_id(box.name)
    return f"{name} [id={name}, label=<{title}>{SHAPES[box.shape]}{width}{_tooltip(box.tips)}]"


def _edge(name: str, edge: Edge, upward: bool) -> str:
    """An edge, striped where it has several kinds of rows; upward is downward with the arrow at its tail."""
    ends = (box_id(edge.source), box_id(edge.target))
    above, below = reversed(ends) if upward else ends
    back = ", dir=back" if upward else ""
    colour = ":".join(COLOURS[tone] for tone in edge.strands)
    label = "".join(f"{GAP}{_marked(line)}{GAP}{LEFT}" for lines in edge.strands.values() for line in lines)
    return (
        f'    {above} -> {below} [id={name}{back}, color="{colour}"{STROKES[edge.stroke]},'
        f" label=<{label}>{_tooltip(edge.tips)}]"
    )


def _tooltip(tips: Sequence[str]) -> str:
    """The attribute, in a string in which Graphviz reads entities and escapes; without it, it would show the label."""
    text = tooltip(tips) or " "
    for character, code in (("\\", "\\\\"), ('"', '\\"'), ("&", "&amp;"), ("\n", "\\n")):
        text = text.replace(character, code)
    return f', tooltip="{text}"'


def _marked(line: Line) -> str:
    opening, closing = MARKS[line.style]
    text = f"{opening}{_escaped(line.text)}{closing}"
    return f'<FONT COLOR="{COLOURS[line.tone]}">{text}</FONT>' if line.tone else text


def _escaped(text: str) -> str:
    """Text inside a label. Graphviz reads escapes there too, and takes a bracket alone for the end of a CDATA."""
    text = text.replace("\\", "\\\\")
    return "".join(f"&#{ord(each)};" if each in '&<>"]' else each for each in text)
