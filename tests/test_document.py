"""Documents: every value has its place, and what a reviewer could overlook is refused where it stands."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm.errors import SpecError
from fsm.language.document import LARGEST, parse, read
from tools.benches.load import hostile


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


def test_hostile_documents_are_refused() -> None:
    """Bombs, giants, depths and what the library is slow at; `tools/bench load` has the bar, here is a guard."""
    for what, text in hostile().items():
        start = time.process_time()
        with pytest.raises(SpecError) as error:
            parse(text, "f.yaml")
        assert str(error.value).startswith("f.yaml:"), what
        assert time.process_time() - start < 10, what


def test_what_is_too_large_is_said_without_reading_it(tmp_path: Path) -> None:
    """A file of 100 GB, all of it a hole, by its size; one just over the limit, by its characters."""
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**30)
    with pytest.raises(SpecError, match=r"large.yaml:1:1: a document has at most 131072 characters") as error:
        read(path)
    assert error.value.rule == "too-large"
    head = "a: 1\n# "
    path.write_text(head + "\N{ROMAN NUMERAL ONE}" * (LARGEST - len(head) - 1) + "\n", "utf-8")
    assert read(path).plain() == {"a": 1}
    path.write_text(head + "x" * (LARGEST - len(head)) + "\n", "utf-8")
    with pytest.raises(SpecError, match="too-large"):
        read(path)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe would keep the reader waiting for ever, a device has no end."""
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", Path("/dev/zero")):
        with pytest.raises(SpecError, match="it is no file of text") as error:
            read(path)
        assert error.value.rule == "unreadable"


def test_a_message_is_one_line_that_a_terminal_can_show() -> None:
    """It quotes the document, so what would move a cursor or end the line is written out."""
    item = parse('"\\e[2J\\n\\u202e": 1\n', "f.yaml")
    with pytest.raises(SpecError, match="too-few") as error:
        raise item.fail(f"keys: {', '.join(item.mapping('it'))}", "too-few")
    assert error.value.message == "keys: \\x1b[2J\\n\\u202e"


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
