"""Whatever stands in a spec, loading and checking it give a machine or one line that names a place in a document."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsm.checks.check import check
from fsm.errors import Place, SpecError
from fsm.explore.system import System
from fsm.language.document import Item, read
from fsm.language.load import Library
from fsm.locate import specs

ROOT = specs()
SHIPPED = {str(path.relative_to(ROOT)): read(path) for folder in ("machines", "ports") for path in
           sorted((ROOT / folder).glob("*.yaml"))} | {"state.yaml": read(ROOT / "state.yaml")}  # fmt: skip
SMALL = {
    "machines/guest.yaml": "guest", "machines/join.yaml": "join", "machines/monitor.yaml": "monitor",
    "machines/election.yaml": "election", "machines/lock.yaml": "lock", "ports/host.yaml": "guest",
    "ports/statefile.yaml": "lock", "ports/toolstack.yaml": "guest", "state.yaml": "join",
}  # fmt: skip
"""What is changed, and a machine that reads it."""
CANARY = "this"
"""A module of Python's own that nobody imports: the hostile texts try to."""
BOUND = timedelta(seconds=20)
"""For one example, which takes 20 ms: nothing hangs, on however busy a machine."""
RUN = f"__import__('{CANARY}')"
CODE = [
    RUN, f"[{RUN} for x in y]", f"(lambda: {RUN})()", f"f'{{{RUN}}}'", f'eval("{RUN}")', f"lock.seen(live={RUN})",
    f"5s if {RUN} else 1", f"x := {RUN}", f"().__class__.__base__.__subclasses__() or {RUN}", f"{{name}} or {RUN}",
    f"f_the.__globals__['__builtins__']['__import__']('{CANARY}')", f"{{me}}.__class__({RUN})",
]  # fmt: skip
ODD = """
{me} me * same else cancel after [] live the(live) host. .host a.b(c=d) at( each if None 0..5 0..999 5..0 host? hosts
0..99999999999999999999 opaque 1e999 T/0 -T %s &a !!python/object/apply:os.system 1_000 0x \N{SUPERSCRIPT TWO} () .. ?
"""
LONG = ["(" * 390, "not " * 90, "T" * 401, "9" * 399, "\xe9" * 99, "x" * 9999]
UNSEEN = ["", "x\n\ny", "\0", "\u202e\ufeff", "\x1b[31m"]
HOSTILE = [*CODE, *ODD.split(), *LONG, *UNSEEN, "each other", "at(me) a.b", "each(live) host.join"]
SCALAR = st.one_of(
    st.sampled_from(HOSTILE), st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text(max_size=9),
    st.sampled_from([10**39, -(10**400), 2**31]),
)  # fmt: skip
VALUE = SCALAR | st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(HOSTILE) | st.text(max_size=5), inner),
    max_leaves=5,
)


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (collection, key or index) below a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from nodes(value[key])


def some_node(draw: st.DrawFn, tree: Any) -> tuple[Any, Any]:
    """Any place, scalars twice as often, for they are what the loader knows most about."""
    below = [(within, key) for within, key in nodes(tree) if key not in ("language", "machine", "port", "essay")]
    scalars = [(within, key) for within, key in below if not isinstance(within[key], dict | list)]
    within, key = draw(st.sampled_from(draw(st.sampled_from([scalars, scalars, below])) or [({"": None}, "")]))
    return within, key


WORDS = sorted({str(w[k]) for item in SHIPPED.values() for w, k in nodes(item.plain()) if isinstance(w[k], str)})
"""Everything that some shipped document says somewhere: right in its place, wrong in most others."""


@st.composite
def changed(draw: st.DrawFn, documents: dict[str, Item]) -> tuple[str, Any]:
    """One of the documents in which one to three places say something else, by its path."""
    path = draw(st.sampled_from(sorted(documents)))
    tree = deepcopy(documents[path].plain())
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        within, key = some_node(draw, tree)
        old = within[key]
        match draw(st.sampled_from(["value", "value", "splice", "swap", "delete", "twice", "nest", "key"])):
            case "value":
                within[key] = draw(st.sampled_from(WORDS) | VALUE)
            case "splice":
                text, at = str(old), draw(st.integers(0, len(str(old))))
                within[key] = text[:at] + draw(st.sampled_from(HOSTILE) | st.text(max_size=5)) + text[at:]
            case "delete":
                del within[key]
            case "twice" if isinstance(within, list):
                within.insert(key, deepcopy(old))
            case "twice" | "nest":
                within[key] = draw(st.sampled_from([[old], {"a": old}, [old, old], str(old), [[[old]]]]))
            case "swap":
                other, place = some_node(draw, documents[draw(st.sampled_from(sorted(documents)))].plain())
                within[key] = other[place]
            case "key" if isinstance(within, dict):
                within[draw(st.sampled_from([*HOSTILE, *within]))] = within.pop(key)
    return path, tree


def placed(value: Any, file: str, lines: Iterator[int]) -> Item:
    """A plain value as a document, each part on a line of its own."""
    at = Place(file, next(lines))
    if isinstance(value, dict):
        return Item({str(key): placed(child, file, lines) for key, child in value.items()}, at)
    return Item([placed(child, file, lines) for child in value] if isinstance(value, list) else value, at)


def findings(library: Library, name: str) -> list[SpecError]:
    """What loading or checking a machine says; nothing else but that comes out of it."""
    try:
        return check(library.machine(name), library)
    except SpecError as error:
        return [error]


def judge(found: list[SpecError], documents: set[str]) -> None:
    """Each finding is one line about a place in a document, and nothing of a spec was run."""
    for error in found:
        assert error.place.file in documents
        assert str(error).isprintable(), error
    assert CANARY not in sys.modules


@settings(max_examples=200, deadline=BOUND, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(changed({path: SHIPPED[path] for path in SMALL}))
def test_a_changed_document_is_a_machine_or_lines(case: tuple[str, Any]) -> None:
    """Values, keys and shapes changed, as they come from a parser or a builder."""
    path, tree = case
    documents = {name: placed(item.plain(), name, count(1)) for name, item in SHIPPED.items() if name != path}
    documents[path] = placed(tree, path, count(1))
    judge(findings(Library.of(documents), SMALL[path]), set(documents))


@settings(max_examples=60, deadline=BOUND)
@given(st.data())
def test_a_changed_text_is_a_machine_or_lines(data: st.DataObject) -> None:
    """Characters cut out and put in, anywhere in a file."""
    path = data.draw(st.sampled_from(sorted(SMALL)))
    text = (ROOT / path).read_text("utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        put = data.draw(st.sampled_from(HOSTILE) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?\n \t", max_size=5))
        text = text[:at] + put + text[at + data.draw(st.integers(0, 9)) :]
    try:
        library = Library.of({**SHIPPED, path: text})
    except SpecError as error:
        return judge([error], {path})
    found = findings(library, SMALL[path])
    judge(found, {path, *(item.at.file for item in SHIPPED.values())})


SYSTEMS = {name: read(ROOT / f"systems/{name}.yaml") for name in ("lock", "joining")}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all specs, whose systems may be overwritten."""
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("specs") / "specs"))


@settings(max_examples=40, deadline=BOUND, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(case=changed(SYSTEMS))
def test_a_changed_system_is_a_system_or_one_line(copied: Path, case: tuple[str, Any]) -> None:
    """Budgets, properties, beginnings and worlds changed; JSON is YAML too."""
    path = copied / f"systems/{case[0]}.yaml"
    path.write_text(json.dumps(case[1]), "utf-8")
    try:
        System.load(path)
    except SpecError as error:
        judge([error], {str(path) for path in copied.rglob("*.yaml")})
