"""The quick reader gives what the YAML library gives, or gives up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.language.document import DEEPEST, MOST, MOST_ODD, Item, by_library, parse
from fsm.language.plain_yaml import NotPlain, read_plain
from fsm.locate import specs

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
    except NotPlain:
        return False
    except SpecError as error:
        with pytest.raises(SpecError):
            by_library(text, "f.yaml")
        return error.rule not in ("too-deep", "duplicate-key")
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
        "a: &x 1\n", "a: *x\n", "a: !x 1\n", "- a\nb: 1\n", "a: 1\n b: 2\n", "a: 1\n---\nb: 1\n",
        "%YAML 1.2\n---\na: 1\n", "? a\n: 1\n", "a: 1\r\n", "a: |\n\n  x\n", "a: |2\n  x\n", "a\n", "[a]\n", "", "\n",
        "a: [b\n", "a: b: c\n", "a: " + "9" * 50 + "\n", "a: {b:c}\n", "a: 'x'y\n", "a: |",
        "a: [x\n y]\n", "a: @x\n", "a: 1\u20282\n",
    ],
)  # fmt: skip
def test_where_it_gives_up(text: str) -> None:
    """What it does not know and what is wrong alike: the library has the last word."""
    with pytest.raises(NotPlain):
        read_plain(text, "f.yaml")


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


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("a: 1\na: 2\n", "2:1", "duplicate-key"),
        ("a: {b: 1, 'b': 2}\n", "1:11", "duplicate-key"),
        ("a: " + "[" * DEEPEST + "]" * DEEPEST + "\n", f"1:{DEEPEST + 3}", "too-deep"),
        ("- " * DEEPEST + "- a\n", f"1:{2 * DEEPEST + 1}", "too-deep"),
    ],
)
def test_the_mistakes_that_it_names_itself(text: str, place: str, rule: str) -> None:
    """By the words of the library's reader and at its place: everything before them is the same to both."""
    said = []
    for reader in (read_plain, by_library):
        with pytest.raises(SpecError) as error:
            reader(text, "f.yaml")
        said.append(str(error.value))
        assert (str(error.value.place), error.value.rule) == (f"f.yaml:{place}", rule)
    assert said[0] == said[1]


def test_as_deep_as_is_allowed() -> None:
    """Flow and blocks alike."""
    assert same("a: " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1) + "\n")
    assert same("- " * (DEEPEST - 1) + "- a\n")


def test_plain_documents_may_be_larger() -> None:
    """What only the library reads is limited more, and the message names the place that is not plain."""
    rows = "- {a: b, c: [d, e]}\n"
    assert len(parse(rows * 1700, "f.yaml").value) == 1700
    for odd, place in (("- &x a\n", "1701:3"), ("- 'it''s'\n", "1701:3"), ("- b: c\n  d", "1702:3"), ("- a", "1701:4")):
        with pytest.raises(SpecError, match="only if it is plain YAML") as error:
            parse(rows * 1700 + odd, "f.yaml")
        assert (str(error.value.place), error.value.rule) == (f"f.yaml:{place}", "too-large")
    assert len(parse(rows * 100 + "- 'it''s'\n", "f.yaml").value) == 101


def test_the_number_of_values_is_limited() -> None:
    """More of them where the document is plain."""
    for many in ("[" + "x, " * (MOST - 3) + "x]", "[" + "x, " * (MOST_ODD - 3) + "'it''s']"):
        assert parse(f"- {many}\n", "f.yaml").value
        with pytest.raises(SpecError, match=r"at most|only if it is plain") as error:
            parse(f"- {many.replace('[', '[x, ')}\n", "f.yaml")
        assert error.value.rule == "too-large"


def test_most_shipped_rows_with_a_change_are_known() -> None:
    """The comparison above would be worth nothing if it always gave up."""
    rows = [line for path in SHIPPED for line in path.read_text("utf-8").splitlines() if line.startswith("- {")]
    assert len(rows) > 200
    assert all(same(row.replace("why", "because") + "\n") for row in rows[::10])
