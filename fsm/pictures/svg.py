"""A picture as SVG, laid out by the program `dot` of Graphviz.

What Graphviz has drawn is made plain: no comment, no version, the font once, and as the tooltip of a box or an edge
(its `<title>`, which browsers show) what the picture says of it, instead of names that mean nothing to a reader.
Labels, and the names of frames, come last, on a white rim, so that no line runs through a word. A file stands by
itself: no script, no font, a white ground.

The same DOT text gives the same bytes with the same Graphviz and fonts, and with other ones a layout that differs a
little. So a file says from which DOT text it was made: whether it is stale can be told without drawing it again, and
without Graphviz.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from xml.etree import ElementTree as Xml

from fsm.errors import Place, SpecError
from fsm.pictures.dot import FONT, box_id, dot, edge_id, tooltip
from fsm.pictures.picture import Picture

FORM = 2
"""Of what is made of Graphviz's drawing. A higher one makes every file stale."""
SPACE = "http://www.w3.org/2000/svg"
SHAPES = {"path", "polygon", "polyline", "ellipse", "text"}
NO_NEWS = {"font-family", "text-anchor"}
"""Attributes that Graphviz repeats with each text."""
LABELLED = {"cluster", "edge"}
"""Groups of Graphviz whose texts may lie where a line runs; those of a box lie on its ground."""
RIM = {"stroke": "#fff", "stroke-width": "3", "stroke-linejoin": "round"}
"""Around a label, so that it stays legible where a line runs below it."""
SECONDS = 60
"""Within which Graphviz draws a picture; the largest one shipped takes less than one."""


def svg(picture: Picture) -> str:
    """The text of a picture, ending in a newline.

    Errors: `SpecError` with the rule graphviz where the program is not there, fails, or takes longer than a minute.
    """
    text = dot(picture)
    laid_out = Xml.fromstring(_laid_out(text).replace(f' xmlns="{SPACE}"', "", 1))
    size = {name: laid_out.get(name, "") for name in ("width", "height", "viewBox")}
    about = {"role": "img", "font-family": FONT, "data-dot": digest(text)}
    root = Xml.Element("svg", {"xmlns": SPACE, **size, **about})
    drawn = laid_out[0]
    graph = Xml.SubElement(root, "g", {"transform": drawn.get("transform", "")})
    Xml.SubElement(graph, "title").text = f"the machine {picture.machine}"
    graph.extend(_shapes(drawn, "graph"))
    titles, groups = _titles(picture), drawn.findall("g")
    parts = [(group, titles.get(group.get("id", ""), ""), group.get("class", "")) for group in groups]
    for group, title, name in parts:
        if name:
            _add(graph, name, title, [s for s in _shapes(group, name) if name not in LABELLED or s.tag != "text"])
    for group, title, name in parts:
        if name in LABELLED:
            _label(graph, f"{group.get('id')}_label", title, [s for s in _shapes(group, name) if s.tag == "text"])
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


def digest(text: str) -> str:
    """Names a DOT text and what is made of it: 16 hex digits of a SHA-256."""
    return sha256(f"{FORM}\n{text}".encode()).hexdigest()[:16]


def made_from(picture: Picture, text: str) -> bool:
    """Whether a text is what `svg` made of a picture, with whichever Graphviz."""
    return f' data-dot="{digest(dot(picture))}"' in text.partition(">")[0] and text.endswith("</svg>\n")


def _add(graph: Xml.Element, name: str, title: str, shapes: Sequence[Xml.Element]) -> None:
    """A group of shapes with a tooltip."""
    group = Xml.SubElement(graph, "g", {"class": name})
    if title:
        Xml.SubElement(group, "title").text = title
    group.extend(shapes)


def _label(graph: Xml.Element, name: str, title: str, texts: Sequence[Xml.Element]) -> None:
    """The lines of a label, the rim of all below any, so that no rim hides a part of the line before."""
    if texts:
        lines = Xml.Element("g", {"id": name})
        lines.extend(texts)
        _add(graph, "label", title, [Xml.Element("use", {"href": f"#{name}", **RIM}), lines])


def _shapes(group: Xml.Element, name: str) -> list[Xml.Element]:
    """What is drawn of a box, an edge, a frame or (the ground alone) the graph; without links around it."""
    found = [shape for shape in group.iter() if shape.tag in SHAPES and not _blank(shape)]
    for shape in found:
        shape.tail = None
        if shape.get("stroke") == "transparent":
            shape.set("stroke", "none")
        for attribute in NO_NEWS:
            shape.attrib.pop(attribute, None)
    return found[:1] if name == "graph" else found


def _blank(shape: Xml.Element) -> bool:
    """Whether a shape is a text without words: a gap that has done its work in the layout."""
    return shape.tag == "text" and not (shape.text or "").strip()


def _titles(picture: Picture) -> dict[str, str]:
    """What tooltips say, by the id of the box or edge."""
    boxes = {box_id(box.name): tooltip(box.tips) for box in picture.frame.boxes()}
    return boxes | {edge_id(number): tooltip(edge.tips) for number, edge in enumerate(picture.edges, 1)}


def _laid_out(text: str) -> str:
    """What Graphviz draws. Errors: `SpecError`."""
    place, program = Place("graphviz"), shutil.which("dot")
    if program is None:
        message = "the program dot, which lays out an SVG, is not installed; try apt-get install graphviz"
        raise SpecError(place, f"{message}, or --format dot or mermaid, which need nothing", "graphviz")
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=text.encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        message = f"dot was not ready after {SECONDS} s; show less, with --near or --hide"
        raise SpecError(place, message, "graphviz") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise SpecError(place, f"dot failed: {said[0]}", "graphviz")
    return done.stdout.decode()
