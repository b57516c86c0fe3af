"""The quick reader gives what the YAML library gives, or gives up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.document import DEEPEST, Item, by_library, parse
from fsm.errors import SpecError
from fsm.locate import specs
from fsm.plain_yaml import read_plain

SHIPPED = sorted(specs().rglob("*.yaml"))


def shown(item: Item) -> Any:
    """A document with all its places, to be compared."""
    value = item.value
    if isinstance(value, dict):
        value = [(key, shown(child)) for key, child in value.items()]
    elif isinstance(value, list):
        value = [shown(child) for child in value]
    return type(item.value).__name__, repr(value), str(item.at)


def same(text: str) -> bool:
    """Whether the quick reader knows a text; what it reads is then what the library reads."""
    try:
        found = read_plain(text, "f.yaml")
    except SpecError:
        return False  # too large: there is a test of that below
    if found is None:
        return False
    assert shown(found) == shown(by_library(text, "f.yaml")), text
    return True


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_shipped_document_is_read_quickly_and_the_same(path: Path) -> None:
    """Each of them, with every place."""
    assert same(path.read_text("utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n", "a: 0x1f\nb: .nan\nc: ~\nd: -1.5e3\n", "- a\n- b\n", "- - a\n  - b\n- c\n", "- a: 1\n  b: 2\n",
        "a:\n- 1\n- 2\nb: x\n", "a:\n  - 1\n\n  # said\n  - 2\n", "a: # said\n   b: x y#z  # said\n", "'a b': ''\n",
        '"*": "x: [y]"\n', "a: |\n  x\n    y\n\n  z\n\n# said\nb: |-\n  é\n", "- |\n x\n- {}\n- []\n",
        "a: {b: [x y, 'z',\n\"u\"], c: {d: host}}\n", "a:  http://x/#y\nb: [a:b, c#d, -1]\n", "\n# said\n\na: 1\n",
        "a.b: 1\n", "a: 1\n# said",
    ],
)  # fmt: skip
def test_what_it_knows(text: str) -> None:
    """The forms that the essay of the module names."""
    assert same(text) is text.endswith("\n")


@pytest.mark.parametrize(
    "text",
    [
        "a:\n", "a: [b,]\n", "a: {b}\n", "a: b\n  c\n", "a: 'it''s'\n", 'a: "\\n"\n', "a: >\n  x\n", "a:\t1\n",
        "a: &x 1\n", "a: *x\n", "a: !x 1\n", "a: 1\na: 2\n", "- a\nb: 1\n", "a: 1\n b: 2\n", "a: 1\n---\nb: 1\n",
        "%YAML 1.2\n---\na: 1\n", "? a\n: 1\n", "a: 1\r\n", "a: |\n\n  x\n", "a: |2\n  x\n", "a\n", "[a]\n", "", "\n",
        "a: [b\n", "a: b: c\n", "a: " + "9" * 50 + "\n", "[" * 20 + "]" * 20 + "\n", "a: {b:c}\n", "a: 'x'y\n", "a: |",
        "a: {b: 1, b: 2}\n", "a: [x\n y]\n", "a: @x\n", "a: 1\u20282\n",
    ],
)  # fmt: skip
def test_where_it_gives_up(text: str) -> None:
    """What it does not know and what is wrong alike: the library has the last word."""
    assert read_plain(text, "f.yaml") is None


PIECES = [
    *("a: ", "b: ", "c: ", "- ", "[", "]", "{", "}", ", ", "x", "'y'", '"z"', "# c", " # c", "1", "a:", "-", ":", " "),
    *("q w", "a#b", "a:b", "-1", "?", "*", "k: v", "é", "~", "true", "''", "---", "...", "<", ">", "&", "%", "!", "="),
    *(
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        "\nc: ",
        "\n  d: ",
        "\n\n",
        "|",
        "|\n  x\n",
        "\\",
        "\t",
        "\x85",
        "\ufeff",
    ),
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
KNOWN = st.recursive(
    st.sampled_from(["x", "'y z'", '"z, {"', "1", "-1.5", "true", "a b", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda v: f"[{', '.join(v)}]")
        | st.lists(inner, max_size=3).map(lambda v: "{" + ", ".join(f"k{i}: {x}" for i, x in enumerate(v)) + "}")
    ),
    max_leaves=6,
)
LINE = st.tuples(
    st.integers(0, 2), st.sampled_from(["", "", "- ", "- - "]), st.sampled_from(["k{}: ", "'k {}':  ", ""])
)


@st.composite
def known(draw: st.DrawFn) -> str:
    """Lines of which each would be known, though often not where it stands."""
    lines = draw(st.lists(st.tuples(LINE, KNOWN | st.just("")), min_size=1, max_size=5))
    said = [(indent, dash, key.format(n), value) for n, ((indent, dash, key), value) in enumerate(lines)]
    return "".join(f"{'  ' * indent}{dash}{key}{value}\n" for indent, dash, key, value in said)


@settings(max_examples=300, deadline=None)
@given(TEXT.map(lambda text: text + "\n") | known())
def test_whatever_it_reads_the_library_reads_so(text: str) -> None:
    """Documents of pieces, and of lines that are often right."""
    same(text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_shipped_documents_with_a_few_characters_changed(data: st.DataObject) -> None:
    """Some lines of one, with pieces cut out and put in."""
    lines = data.draw(st.sampled_from(SHIPPED)).read_text("utf-8").splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 1))
    text = "".join(lines[first : first + data.draw(st.integers(1, 6))])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[at + data.draw(st.integers(0, 4)) :]
    same(text if text.endswith("\n") else text + "\n")


def test_both_readers_have_the_same_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As deep and as many values as are allowed; one more is refused by both, at one place."""
    for module in ("document", "plain_yaml"):
        monkeypatch.setattr(f"fsm.{module}.MOST", 50)
    for text in ("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1) + "\n", "a: [" + "x, " * 46 + "x]\n"):
        assert same(text)
    for many in ("a: [" + "x, " * 47 + "x]\n", "a: [" + "x, " * 47 + "\tx]\n", "- b: 1\n" * 20):
        with pytest.raises(SpecError, match="at most") as error:
            parse(many, "f.yaml")
        assert error.value.rule == "too-large"
    assert read_plain("a: " + "[" * DEEPEST + "]" * DEEPEST + "\n", "f.yaml") is None


def test_most_shipped_rows_with_a_change_are_known() -> None:
    """The comparison above would be worth nothing if it always gave up."""
    rows = [line for path in SHIPPED for line in path.read_text("utf-8").splitlines() if line.startswith("- {")]
    assert len(rows) > 200
    assert all(same(row.replace("why", "because") + "\n") for row in rows[::10])
