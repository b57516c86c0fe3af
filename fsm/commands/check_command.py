"""`fsm check`: every finding about machines and models, one a line, for people, editors and programs."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field

from fsm.checks.check import check, check_node
from fsm.checks.unused import unused_in_folder
from fsm.errors import Place, SpecError
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import located, specs
from fsm.models.model import Model, is_model


@define
class Found:
    """What a run of the checks has seen."""

    machines: list[Machine] = field(factory=list)
    findings: list[SpecError] = field(factory=list)
    seen: int = 0
    unread: list[str] = field(factory=list)
    models: int = 0

    @property
    def rows(self) -> int:
        """Lines of tables: a line for several states or events counts once."""
        return sum(len({row.at for row in machine.rows}) for machine in self.machines)


def add(subparsers: Any) -> None:
    """Declares the command."""
    command: argparse.ArgumentParser = subparsers.add_parser(
        "check",
        help="find what is wrong with machines before they run",
        description="Find what is wrong with machines: missing pairs, outcomes that nobody handles, guards that "
        "overlap or leave a hole, dead rows, traps; and with models: names, types, sizes. "
        "Exit 0: nothing found; 1: findings; 2: it could not run.",
        epilog="example: fsm check; fsm check door.yaml; fsm check --explain trap",
    )
    command.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help="the file of a machine or model, or a folder that holds machines/, ports/ and perhaps examples/; the "
        "shipped specs by default",
    )
    command.add_argument(
        "--format",
        choices=("text", "json", "github"),
        default="text",
        help="lines for people and editors; one JSON object; or annotations of a pull request on GitHub",
    )
    command.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    command.add_argument("--explain", metavar="RULE", help="say what a rule means, with examples, and check nothing")


def run(args: argparse.Namespace) -> int:
    """Checks everything that was named, or explains a rule.

    Errors: `SpecError` for a path that is no machine and no folder of specs, and for a rule that there is not."""
    if args.explain is not None:
        return _explain(args.explain)
    found = Found()
    for path in args.paths or [specs()]:
        if is_model(path):
            check_models([path], found)
            continue
        root, names = located(path)
        check_folder(root, names, found, together=path.is_dir())
        check_models(sorted((path / "examples").glob("*.yaml")), found)
    # a file that cannot be read is found again by every machine that names it
    once = {(e.place, e.rule, e.message): e for e in found.findings}.values()
    findings = [SpecError(_relative(e.place), e.message, e.rule) for e in once]
    if args.format == "json":
        print(json.dumps(_report(found, findings), indent=2))
    else:
        for finding in findings:
            print(annotation(finding) if args.format == "github" else finding)
        what = _counted(len(findings), "finding") if findings else "no findings"
        unread = f"; not checked, for they cannot be read: {', '.join(found.unread)}" if found.unread else ""
        print(f"{_seen(found)}: {what}{unread}")
    return 1 if findings else 0


def _seen(found: Found) -> str:
    machines = f"{_counted(found.seen, 'machine')}, {_counted(found.rows, 'row')}" if found.seen else ""
    models = _counted(found.models, "model") if found.models else ""
    return ", ".join(part for part in (machines, models) if part) or "nothing"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"


def check_folder(root: Path, names: list[str], found: Found, together: bool) -> None:
    """Adds the findings of machines of one folder; one that does not load is a finding too.

    Arguments:
        root, names: the folder and the machines.
        found: where to add.
        together: whether they are all of one host, so that what they say to each other can be checked.
    """
    library = Library(root)
    loaded: list[Machine] = []
    for name in names:
        found.seen += 1
        try:
            machine = library.machine(name)
        except SpecError as error:
            found.findings.append(error)
            found.unread.append(name)
            continue
        loaded.append(machine)
        found.findings += check(machine, library)
    found.machines += loaded
    if together and len(loaded) == len(names):
        found.findings += check_node(loaded) + unused_in_folder(library, loaded)


def check_models(paths: Iterable[Path], found: Found) -> None:
    """Adds the first finding of each model; its search (`fsm verify`) finds the rest."""
    for path in paths:
        found.models += 1
        try:
            Model.load(path)
        except SpecError as error:
            found.findings.append(error)


def _explain(name: str) -> int:
    from fsm.checks.rules import explain, near, rules

    if name not in rules():
        close = near(name)
        known = f"did you mean {', '.join(close)}?" if close else f"those that there are: {', '.join(rules())}"
        raise SpecError(Place("--explain"), f"there is no rule {name!r}; {known}", "unknown-name")
    print(explain(rules()[name]), end="")
    return 0


def annotation(finding: SpecError) -> str:
    """A finding as a workflow command of GitHub Actions, which shows it at its line of a pull request.

    What would end the message or a property is escaped as GitHub's own toolkit does: `%`, line ends, and in
    properties `:` and `,` too."""
    place = finding.place
    said = {"file": place.file, "line": place.line, "col": place.column, "title": finding.rule}
    properties = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in said.items())
    return f"::error {properties}::{_escaped(finding.message)}"


def _escaped(text: str, besides: str = "") -> str:
    for character in "%\r\n" + besides:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _relative(place: Place) -> Place:
    path = os.path.relpath(place.file)
    return place if path.startswith(os.pardir) else Place(path, place.line, place.column)


def _report(found: Found, findings: list[SpecError]) -> dict[str, Any]:
    return {
        "machines": found.seen,
        "rows": found.rows,
        "models": found.models,
        "unread": found.unread,
        "findings": [
            {"file": e.place.file, "line": e.place.line, "column": e.place.column, "rule": e.rule, "message": e.message}
            for e in findings
        ],
    }
