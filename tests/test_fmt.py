"""`fsm fmt`: the canonical layout, what it keeps, what it leaves alone, and the command."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from fsm import cli
from fsm.errors import SpecError
from fsm.language.comments import Source
from fsm.language.document import parse
from fsm.language.load import Library
from fsm.language.write import formatted, text
from fsm.locate import specs

TESTS = Path(__file__).parent
SHIPPED = sorted(path for path in specs().rglob("*.yaml") if path.parent.name != "pools")
SPECS = SHIPPED + sorted(path for name in ("engine", "toys") for path in (TESTS / "data" / name).rglob("*.yaml"))
SMALL = [path for path in SPECS if path.stat().st_size < 3000]
NAMES = [str(path.relative_to(path.parents[2])) for path in SPECS]


def told(source: str) -> list[str]:
    """The comments of a source."""
    return sorted(comment.text for comment in Source.read(source).comments if comment.text)


def said(source: str) -> Any:
    """The data of a source, with types: 1, 1.0 and true are equal in Python."""
    return typed(parse(source, "f").plain())


def typed(value: Any) -> Any:
    """Data with its types."""
    if isinstance(value, dict):
        return {key: typed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [typed(child) for child in value]
    return type(value).__name__, repr(value)


@pytest.mark.parametrize("path", SPECS, ids=NAMES)
def test_every_spec_keeps_its_meaning_and_comes_to_rest(path: Path) -> None:
    """The data stays, a second run changes nothing, and the writer of plain data writes the same bytes."""
    source = path.read_text("utf-8")
    new = formatted(source, path.name)
    assert said(new) == said(source)
    assert formatted(new, path.name) == new
    assert text(parse(source, path.name)) == new
    assert text(parse(source, path.name).plain()) == new


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_stand_in_the_canonical_layout(path: Path) -> None:
    """What `make check` asks for."""
    assert formatted(path.read_text("utf-8"), path.name) == path.read_text("utf-8")


def test_machines_are_the_same_after_it(tmp_path: Path) -> None:
    """With their digests, which say what a machine is and not how it is written; and with the very text they had."""
    ugly = YAML()  # the safe one sorts keys, and the order of variables and events is the author's
    ugly.default_flow_style, ugly.width = False, 60
    for path in SHIPPED:
        target = tmp_path / path.relative_to(specs())
        target.parent.mkdir(exist_ok=True)
        with target.open("w", encoding="utf-8") as file:
            ugly.dump(parse(path.read_text("utf-8"), path.name).plain(), file)
    assert cli.main(["fmt", str(tmp_path)]) == 0
    shipped, again = Library(specs()), Library(tmp_path)
    assert [again.machine(name) for name in again.names()] == [shipped.machine(name) for name in shipped.names()]
    for path in SHIPPED:
        assert (tmp_path / path.relative_to(specs())).read_text("utf-8") == path.read_text("utf-8")


DOOR = """\
# A door.

machine: door    # its name
language: 1
rows:   # all of them
- {to: open,on: push , from: closed, why: pushed in, if: not locked}

# shutting


- {from: open, # inside
   after: 5s, to: closed,                          why: 'it falls "shut"'}
-   from: [open, closed,
           open]    # both
    on: kick
    to: same
    set: {x: a - b and c}
    why: >-
      they
      kick
# the end of the rows
states: [open, closed]
initial: closed
variables:
  locked: {why: "the bolt", initial: no, type: bool, store: memory}   # a bolt
essay: |   # long
  What it is.

  # This is text.


events:
  push:   # by hand
  kick: {}
# the end
"""
NEAT = """\
# A door.

language: 1
machine: door  # its name
# long
essay: |
  What it is.

  # This is text.
variables:
  locked: {type: bool, store: memory, initial: no, why: "the bolt"}  # a bolt

events:
  push: null  # by hand
  kick: {}
# the end of the rows
states: [open, closed]
initial: closed
rows:  # all of them
- {from: closed, on: push,    if: "not locked", to: open,                            why: "pushed in"}

# shutting

# inside
- {from: open,   after: "5s",                   to: closed,                          why: 'it falls "shut"'}
# both
- {from: [open, closed, open], on: kick,        to: same,   set: {x: "a - b and c"}, why: "they kick"}
# the end
"""


def test_layout_is_this() -> None:
    """Order, columns, quotes, blocks and comments, on one page."""
    assert formatted(DOOR, "door") == NEAT


def test_a_cell_that_is_too_long_sticks_out() -> None:
    """It widens nothing, and the next columns come back into line."""
    guard = "an and expression and longer and than and a and column"
    rows = [
        {"from": "a", "on": "go", "to": "b", "why": "w w"},
        {"from": ["a", "b", "some_rather_long_name"], "on": "go", "if": "x", "to": "b", "why": "w w"},
        {"from": "b", "on": "go", "if": guard, "to": "a", "why": "w w"},
        {"from": "b", "on": "gone", "if": "x", "to": "a", "why": "w w"},
    ]
    assert text({"machine": "m", "rows": rows}).splitlines()[2:] == [
        '- {from: a, on: go,            to: b, why: "w w"}',
        '- {from: [a, b, some_rather_long_name], on: go, if: "x", to: b, why: "w w"}',
        '- {from: b, on: go,   if: "an and expression and longer and than and a and column", to: a, why: "w w"}',
        '- {from: b, on: gone, if: "x", to: a, why: "w w"}',
    ]


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.text("ab:#-{}[],'\"\\ \n\t|>%@&*!?.~0=", max_size=12),
    st.sampled_from(["null", "true", "0x1F", "1e3", ".5", "~", "else", "- a", "a: b", "# c", "a #c", "é", "a\u2028b"]),
)
KEYS = st.one_of(
    st.sampled_from(["rows", "events", "essay", "if", "why", "from", "operations", "language", "port", "machine"]),
    st.text("ab: #?-", max_size=5),
    st.text(max_size=4),
)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
DOCUMENTS = st.dictionaries(KEYS, DATA, min_size=1, max_size=5)


def readable(source: str) -> bool:
    """Whether the loader reads it at all: it refuses what is nested too deep, and endless numbers."""
    try:
        parse(source, "f")
    except SpecError:
        return False
    return True


@given(data=DOCUMENTS)
@settings(max_examples=100, deadline=None)
def test_any_data_can_be_written(data: dict[str, Any]) -> None:
    """It is read as it was, whatever its keys and texts, and stands in the canonical layout already."""
    written = text(data)
    if readable(written):
        order = str(text(parse(written, "f")))
        assert said(written) == typed(data)
        assert order == written == formatted(written, "f")


@given(data=DOCUMENTS, flow=st.booleans(), width=st.integers(20, 200))
@settings(max_examples=100, deadline=None)
def test_any_layout_leads_to_the_same_text(data: dict[str, Any], flow: bool, width: int) -> None:
    """However a YAML library lays data out, the canonical text is that of the data; or it is refused in one line."""
    yaml, stream = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width = flow, width
    yaml.dump(data, stream)
    source = stream.getvalue()
    if readable(source) and not told(source):  # its writer leaves a key `?#` bare, and its reader sees a comment there
        assert formatted(source, "f") == text(parse(source, "f"))


@st.composite
def noisy(draw: st.DrawFn) -> tuple[str, int]:
    """A spec with comments and blank lines thrown in outside of its text blocks, and how many comments."""
    lines = draw(st.sampled_from(SMALL)).read_text("utf-8").splitlines()
    places = draw(st.sets(st.integers(0, len(lines)), max_size=8))
    made, count, essay = [], 0, False
    for at, line in enumerate([*lines, ""]):
        essay = line.startswith("essay: |") or (essay and (line.startswith("  ") or not line))
        if at in places and not (essay and not line.startswith("essay")):
            above = draw(st.lists(st.sampled_from(["", "#", "# a 'b' {", " # in"]), max_size=3))
            beside = draw(st.sampled_from(["", "  # c: d", " #e"])) if line and not essay else ""
            made += [*above, line + beside]
            count += sum("#" in row for row in [*above, beside])
        else:
            made.append(line)
    return "\n".join(made), count


@given(noise=noisy())
@settings(max_examples=40, deadline=None)
def test_comments_stay(noise: tuple[str, int]) -> None:
    """Each of them, wherever it stands; the data stays too, and a second run changes nothing."""
    source, count = noise
    new = formatted(source, "f")
    assert told(new) == told(source)
    assert len(told(new)) == count
    assert said(new) == said(source)
    assert formatted(new, "f") == new
    assert "\n\n\n" not in re.sub(r"(?s)essay: \|.*?\n(?=\S)", "", new)


@pytest.mark.parametrize(
    "source",
    ["\ufefflanguage: 1\nessay: x\n", "language: 1\r\nessay: x\r\n", "language: 1\ressay: x"],
    ids=["byte order mark", "CRLF", "CR"],
)
def test_other_ways_to_save_a_file(source: str) -> None:
    """They become what every file here has: UTF-8 without a mark, `\\n`, and a last one."""
    assert formatted(source, "f") == 'language: 1\nessay: "x"\n'


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("language: 1\nrows:\n\t- a\n", "f:3:1: not YAML"),
        ("language: 1\nessay:\tx\n", "f:2:7: not YAML: found character '\\t'"),
        ("language: 1\nessay: &a x\n", "f:2:8: anchors and aliases"),
        ("# c\n%YAML 1.2\n---\nlanguage: 1\n", "f:2:1: a spec is always YAML 1.2; leave this line out"),
        ("a: 1\na: 2\n", "f:2:1: the key 'a' stands here twice"),
        ("", "f:1:1: the document is empty"),
    ],
)
def test_what_is_no_sound_document_is_refused(source: str, says: str) -> None:
    """With the line that its reader has for it."""
    with pytest.raises(SpecError) as error:
        formatted(source, "f")
    assert str(error.value).startswith(says)


def test_nothing_is_written_that_would_say_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the writer is seen before a file is touched."""
    from fsm.language import write

    honest = write.word
    monkeypatch.setattr(write, "word", lambda value, quoted=False: honest(value, quoted).replace("open", "shut"))
    with pytest.raises(SpecError, match="would not say the same"):
        formatted("language: 1\nessay: open\n", "f")
    monkeypatch.setattr(write, "word", lambda value, quoted=False: honest(value, quoted).replace("open", "{"))
    with pytest.raises(SpecError, match="would not say the same"):
        formatted("language: 1\nessay: open\n", "f")


def test_the_command_rewrites_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check names what would change and writes nothing; a folder stands for its specs, not for other YAML."""
    (tmp_path / "sub" / ".hidden").mkdir(parents=True)
    door, other = tmp_path / "sub" / "door.yaml", tmp_path / "other.yaml"
    door.write_text(DOOR, "utf-8")
    other.write_text("a:   1\n", "utf-8")
    (tmp_path / "sub" / ".hidden" / "x.yaml").write_text(DOOR, "utf-8")
    assert cli.main(["fmt", "--check", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{door}\n1 of 1 specs would change; run fsm fmt\n"
    assert door.read_text("utf-8") == DOOR
    assert cli.main(["fmt", str(tmp_path), str(door)]) == 0
    assert capsys.readouterr().out == f"{door}\n"
    assert door.read_text("utf-8") == formatted(DOOR, "door")
    assert other.read_text("utf-8") == "a:   1\n"
    assert cli.main(["fmt", "--check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 of 1 specs would change\n"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "door.yaml", "other.yaml", "sub", "x.yaml"]


def test_the_shipped_specs_are_the_default_of_check_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Formatting rewrites files, so what is rewritten must be named."""
    assert cli.main(["fmt", "--check"]) == 0
    assert capsys.readouterr().out == f"0 of {len(SHIPPED)} specs would change\n"
    assert cli.main(["fmt"]) == 2
    assert capsys.readouterr().err == "fsm fmt: name the files or folders to rewrite; only --check has a default\n"


def test_one_broken_file_does_not_keep_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It stays as it is, with one line; the exit code says so."""
    broken, sound, latin = (tmp_path / f"{name}.yaml" for name in ("a", "b", "c"))
    broken.write_text("language: 1\nrows: [\n", "utf-8")
    sound.write_text("language:    1\n", "utf-8")
    latin.write_bytes(b"language: 1\nessay: \xe9\n")
    assert cli.main(["fmt", str(tmp_path)]) == 2
    seen = capsys.readouterr()
    assert seen.out == f"{sound}\n"
    assert [line.partition(": ")[0] for line in seen.err.splitlines()] == [f"{broken}:3:1", f"{latin}:1:1"]
    assert broken.read_text("utf-8") == "language: 1\nrows: [\n"
    assert sound.read_text("utf-8") == "language: 1\n"


@pytest.mark.parametrize(
    ("name", "says"), [("gone.yaml", "no such file or folder"), ("pool.yaml", "no spec: it does not say 'language: 1'")]
)
def test_a_path_that_is_no_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, says: str) -> None:
    """One line, and exit code 2."""
    (tmp_path / "pool.yaml").write_text("name:   x\n", "utf-8")
    assert cli.main(["fmt", str(tmp_path / name)]) == 2
    assert says in capsys.readouterr().err
    assert (tmp_path / "pool.yaml").read_text("utf-8") == "name:   x\n"


def test_a_link_still_leads_to_the_file_and_permissions_stay(tmp_path: Path) -> None:
    """The file is replaced where it lies, not the link to it."""
    (tmp_path / "real").mkdir()
    file, link = tmp_path / "real" / "door.yaml", tmp_path / "link.yaml"
    file.write_text(DOOR, "utf-8")
    file.chmod(0o640)
    link.symlink_to(file)
    assert cli.main(["fmt", str(link)]) == 0
    assert link.is_symlink()
    assert file.read_text("utf-8") == formatted(DOOR, "door")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it was, with nothing beside it."""
    door = tmp_path / "door.yaml"
    door.write_text(DOOR, "utf-8")

    def full(number: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(["fmt", str(door)]) == 2
    assert capsys.readouterr().err == f"{door}:1:1: cannot write it: No space left on device [unwritable]\n"
    assert [path.name for path in tmp_path.iterdir()] == ["door.yaml"]
    assert door.read_text("utf-8") == DOOR
