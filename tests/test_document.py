"""Documents: every value has its place, and what a reviewer could overlook is refused where it stands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.document import LARGEST, parse, read
from fsm.errors import SpecError


def test_every_value_knows_its_place() -> None:
    """Lines and columns count from 1, at the first character of the value."""
    item = parse("a: 1\nb:\n- {c: x, on: yes}\n", "f.yaml").mapping("it")
    row = item["b"].sequence("rows")[0].mapping("row")
    assert [str(i.at) for i in (item["a"], row["c"], row["on"])] == ["f.yaml:1:4", "f.yaml:3:7", "f.yaml:3:14"]
    assert row["on"].value == "yes"  # YAML 1.2: neither the key nor the value is a boolean


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("a: 1\na: 2\n", "2:1", "duplicate-key"),
        ("a: &x 1\nb: 2\n", "1:4", "yaml-sharing"),
        ("a: [1, *x]\n", "1:8", "yaml-sharing"),
        ("a: !!python/object:os.system x\n", "1:4", "yaml-tag"),
        ("a: !custom x\n", "1:4", "yaml-tag"),
        ("a: [1,\nb: }\n", "2:4", "yaml"),
        ("a: {b: 1\nc\n", "3:1", "yaml"),
        ("\ta: 1\n", "1:1", "yaml"),
        ("", "1:1", "document-shape"),
        ("{a: 1}: 2\n", "1:1", "document-shape"),
        ("[" * 13 + "]" * 13, "1:13", "too-deep"),
        ("a: \x07\n", "1:1", "yaml"),
        ("a: 1\n---\nb: 2\n", "2:1", "document-shape"),
    ],
)
def test_what_is_refused_and_where(text: str, place: str, rule: str) -> None:
    """The message names line and column, and is one line."""
    with pytest.raises(SpecError) as error:
        parse(text, "f.yaml")
    assert (str(error.value.place), error.value.rule) == (f"f.yaml:{place}", rule)
    assert "\n" not in str(error.value)


def test_a_bomb_and_a_giant_are_refused_at_once(tmp_path: Path) -> None:
    """Neither sharing nor size costs time or memory."""
    bomb = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
    start = time.monotonic()
    for text in (bomb, "a: " + "x" * (10 * LARGEST), "[" * 100_000):
        with pytest.raises(SpecError):
            parse(text, "f.yaml")
    assert time.monotonic() - start < 5


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, or no UTF-8: one message that names the file."""
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    for name, message in (("none.yaml", "No such file"), (".", "directory"), ("latin.yaml", "byte 3 is not UTF-8")):
        with pytest.raises(SpecError, match=message) as error:
            read(tmp_path / name)
        assert error.value.place.file == str(tmp_path / name)


def test_shapes_are_asked_for_by_name() -> None:
    """A key that is not known is named with the nearest one; a wrong shape says what it is."""
    item = parse("from: idle\nwhy: 3\n", "f.yaml")
    with pytest.raises(SpecError, match=r"f.yaml:1:7: a row has no key 'from'; did you mean 'form'\? \[unknown-key\]"):
        item.mapping("a row", ("form", "why"))
    entry = item.mapping("a row")
    with pytest.raises(SpecError, match="why must be text, not 3"):
        entry["why"].text("why")
    with pytest.raises(SpecError, match="rows must be a list, not 'idle'"):
        entry["from"].sequence("rows")
    with pytest.raises(SpecError, match="a row must be a mapping, not 3"):
        entry["why"].mapping("a row")
    assert item.plain() == {"from": "idle", "why": 3}


@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?\n \t", max_size=60)))
def test_any_text_is_a_document_or_one_message(text: str) -> None:
    """Fuzz: no other exception than `SpecError`."""
    try:
        said = str(parse(text, "f.yaml").at)
    except SpecError as error:
        said = str(error)
    assert said.startswith("f.yaml:")
    assert "\n" not in said
