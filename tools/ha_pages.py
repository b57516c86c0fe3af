"""The generated pages about HA: what of xapi is encoded where, which bugs these specs do not have, what is proved.

Each is a function of what lies in the repository: specs, golden traces (tests/traces), known bugs
(tests/data/mutants.yaml) and explorations (`tools.proofs`). tools/pages writes them, and a test says when one is stale.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from fsm.explore.traces import play
from fsm.language.document import read
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import specs
from hosts.xapi_rows import FUNCTIONS, KEYS
from tools import mutation, proofs
from tools.defects import Defect, defects
from tools.proofs import GENERATED

FOLDER = specs()
TESTS = Path(__file__).resolve().parent.parent / "tests"
TRACES = TESTS / "traces"
UNPLAYED = TESTS / "data" / "unplayed.yaml"


@cache
def machines() -> Mapping[str, Machine]:
    """All shipped machines by name."""
    library = Library(specs())
    return {name: library.machine(name) for name in library.names()}


@cache
def fired() -> Mapping[str, tuple[str, ...]]:
    """Row -> the golden traces in which it fires: stories of a pool before those of one host, the shortest first."""
    found: dict[str, list[str]] = {}
    texts = {path: path.read_text("utf-8") for path in TRACES.glob("*.txt")}
    for path in sorted(texts, key=lambda path: ("\nsystem " not in texts[path], len(texts[path]), path.name)):
        for row in play(path, specs()).rows:
            found.setdefault(row, []).append(path.stem)
    return {row: tuple(names) for row, names in found.items()}


@cache
def unplayed() -> Mapping[str, str]:
    """Row -> why it fires in no golden trace. Errors: `SpecError` at the place that is wrong."""
    top = read(UNPLAYED).mapping("unplayed rows", ("unplayed",))
    entries = [item.mapping("an unplayed row", ("row", "why")) for item in top["unplayed"].sequence("unplayed rows")]
    return {entry["row"].text("a row"): entry["why"].why() for entry in entries}


def rows_like(patterns: Iterable[str]) -> list[str]:
    """The ids of rows that one of the patterns fits, in the order of the machines' files."""
    wanted = list(patterns)
    every = [row.id for machine in machines().values() for row in machine.rows]
    return [row for row in every if any(fnmatchcase(row, pattern) for pattern in wanted)]


def rows_that_set(variables: Iterable[str]) -> list[str]:
    """The ids of rows that set one of these variables: `armed`, or `restart.target`."""
    wanted = set(variables)
    return [
        row.id
        for machine in machines().values()
        for row in machine.rows
        if any(name in wanted or f"{machine.name}.{name}" in wanted for name, _ in row.set)
    ]


def xapi() -> str:
    """specs/xapi.md."""
    text = "\n".join([*_xapi_head(), *_functions(), *_keys()])
    shown = sorted({name for names in fired().values() for name in names if f"| [{name}] |" in text})
    return "\n".join([text, "", *(f"[{name}]: ../tests/traces/{name}.txt" for name in shown)]) + "\n"


def _xapi_head() -> Iterator[str]:
    yield GENERATED
    yield ""
    yield "# xapi's HA, row by row"
    yield ""
    yield "Every value of xapi's HA interface, and every durable key, with the rows that encode it and a golden trace"
    yield "of `tests/traces` in which each of them fires. The functions are those of `hosts.xapi_ha`; each submits one"
    yield "event."
    yield ""


def _functions() -> Iterator[str]:
    yield "## Functions"
    for name, encoded in FUNCTIONS.items():
        yield ""
        yield f"### {name}"
        yield ""
        yield encoded.does
        yield ""
        yield from _rows(rows_like(encoded.rows))


def _keys() -> Iterator[str]:
    yield ""
    yield "## Durable keys"
    for name, kept in KEYS.items():
        yield ""
        held = ", ".join(f"`{variable}`" for variable in kept.variables) or kept.elsewhere
        yield f"### {name}"
        yield ""
        yield f"{kept.means[0].upper()}{kept.means[1:]}: {held}."
        if kept.variables:
            yield ""
            yield from _rows(rows_that_set(kept.variables))


def _rows(rows: Sequence[str]) -> Iterator[str]:
    """A table; rows that stand in one line of a spec stand in one line here, too."""
    yield "| rows | why | trace |"
    yield "|---|---|---|"
    why = {row.id: row.why for machine in machines().values() for row in machine.rows}
    lines: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        lines.setdefault((row.partition(".")[0], _cell(why[row]), _played(row)), []).append(f"`{row}`")
    for (_, reason, trace), ids in lines.items():
        yield f"| {'<br>'.join(ids)} | {reason} | {trace} |"


def _played(row: str) -> str:
    """The trace that shows a row best, as a link, or why there is none."""
    traces = fired().get(row, ())
    return f"[{traces[0]}]" if traces else f"none: {_cell(unplayed()[row])}"


def _cell(text: str) -> str:
    """Text as it may stand in a table."""
    return text.replace("|", "\\|")


def bugs() -> str:
    """specs/defects.md."""
    lines = [GENERATED, "", "# Bugs that these specs do not have", ""]
    lines += [
        "Each was made again by changing rows as a hand would, and was found by exploring: by the property that it",
        "violates first, with a shortest story. The story is a golden trace in `tests/traces/defects`: it happens with",
        "the bug, and not without it. The rows that mend it are those that the bug changes.", "",
    ]  # fmt: skip
    for defect in defects():
        lines += _bug(defect)
    lines += [
        "## Of those lists, what is no entry", "",
        "B15, an emergency disable by force of a host that others cannot hear, is no bug of rows: it rests on what",
        "the operator promises. The system `forced` reaches two masters where that is false (`broken`). N3, a host",
        "that never hears that HA is off, is `never told`. N6, a coordinator that nobody lets be master again, is",
        "shown by what was tried against it and does not do (`N6 asks only`).",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _bug(defect: Defect) -> Iterator[str]:
    yield f"## {defect.name}"
    yield ""
    yield f"{defect.story[0].upper()}{defect.story[1:]}."
    yield ""
    happens = " and ".join(defect.faults) if defect.faults else "no fault"
    happens += "".join(f", without {clause}" for clause in defect.without)
    where = f"in {defect.steps} steps of the system `{defect.system}`, with {happens}"
    yield f"Violates **{defect.killer}** {where}: [the story](../tests/traces/defects/{defect.file}.txt)."
    yield ""
    rows = ", ".join(f"`{row}`" for row in changed(defect))
    yield (
        f"Mended by {rows}."
        if rows
        else "Mended by what is no row: an event that is ignored or deferred where it was not."
    )
    yield ""


def changed(defect: Defect) -> list[str]:
    """The ids of the shipped rows that are another in the bug, or are not there; entries of `ignore` have none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "specs"
        shutil.copytree(specs(), copy, ignore=shutil.ignore_patterns("*.md", "*.svg"))
        defect.edit(copy)
        library = Library(copy)
        names = dict.fromkeys(edit["file"].partition("/")[2] for edit in defect.edits if "machines/" in edit["file"])
        mutated = {row.id: row for name in names for row in library.machine(name).rows}
    return [row.id for name in names for row in machines()[name].rows if mutated.get(row.id) != row]


PAGES = {"xapi.md": xapi, "defects.md": bugs, "proofs.md": proofs.page, "mutants.md": mutation.page}
"""What lies in the folder of specs, by file."""


def stale() -> Mapping[Path, str]:
    """The pages that are not as they should be, with what they should say."""
    texts = {FOLDER / name: text() for name, text in PAGES.items()}
    return {path: text for path, text in texts.items() if not path.exists() or path.read_text("utf-8") != text}
