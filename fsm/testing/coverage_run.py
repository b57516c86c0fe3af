"""The coverage of one run of pytest: the specs that it measures, the floor, the table, and workers of pytest-xdist.

Each worker records for itself and hands its counts to the controller, which alone prints and judges.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from fsm.errors import SpecError
from fsm.language.document import suggest
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.testing.coverage import KINDS, Covered, Recorder


def read_machines(text: str, base: Path) -> list[Machine]:
    """The machines that `FOLDER[:MACHINE,...]` names; a relative folder is below `base`.

    Errors: `pytest.UsageError`, one line.
    """
    folder, _, chosen = text.partition(":")
    root = base / folder
    library = Library(root)
    if not root.is_dir() or not library.names():
        raise pytest.UsageError(f"--fsm-cover={text}: {root} is no folder of specs; name one with machines/ in it")
    names = [name.strip() for name in chosen.split(",")] if chosen else library.names()
    for name in names:
        if name not in library.names():
            known = suggest(name, library.names())
            raise pytest.UsageError(f"--fsm-cover={text}: {root} has no machine {name!r}{known}")
    try:
        return [library.machine(name) for name in names]
    except SpecError as error:
        raise pytest.UsageError(f"--fsm-cover={text}: {error}") from None


def read_floor(text: str) -> dict[str, float]:
    """The least percentage of each kind in `state:100,row:95`. Errors: `pytest.UsageError`, one line."""
    floor: dict[str, float] = {}
    for part in text.split(",") if text else []:
        kind, _, percent = part.strip().partition(":")
        try:
            floor[kind] = float(percent)
        except ValueError:
            floor[kind] = -1.0
        if kind not in KINDS or not 0 <= floor[kind] <= 100:
            message = f"--fsm-floor={text}: {part!r} is none of state:P, row:P, pair:P with a percentage from 0 to 100"
            raise pytest.UsageError(message)
    return floor


def writable(file: Path) -> Path:
    """A file that can be written, found out before the tests run. Errors: `pytest.UsageError`, one line."""
    try:
        file.open("a", encoding="utf-8").close()
    except OSError as error:
        raise pytest.UsageError(f"--fsm-cover-json: {file} cannot be written: {error.strerror}") from None
    return file


@define(eq=False)
class CoverageRun:
    """The part of the plug-in that there is only when coverage is asked for; pytest calls its methods.

    Arguments:
        config: of the run.
        recorder: what counts.
        floor: the least percentage of each kind, for each machine.
        file: where the counts are written, or None.
    """

    config: pytest.Config
    recorder: Recorder
    floor: dict[str, float]
    file: Path | None
    _covered: list[Covered] = field(factory=list, init=False)

    @classmethod
    def begun(cls, config: pytest.Config, cover: str, floor: str, file: str) -> CoverageRun:
        """A run that records from now on. Errors: `pytest.UsageError`."""
        base = config.rootpath if config.getoption("fsm_cover") is None else config.invocation_params.dir
        recorder = Recorder(read_machines(cover, base))
        target = writable(config.invocation_params.dir / file) if file else None
        run = cls(config, recorder, read_floor(floor), target)
        recorder.__enter__()
        return run

    def pytest_unconfigure(self) -> None:
        """Puts the step of nodes back."""
        self.recorder.__exit__()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker of pytest-xdist has ended; one that crashed has said nothing."""
        self.recorder.add(getattr(node, "workeroutput", {}).get("fsm_cover", {"states": [], "rows": [], "pairs": []}))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judges; in a worker hands over instead."""
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output["fsm_cover"] = self.recorder.to_wire()
            return
        self._covered = self.recorder.covered()
        if self.below() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self.file is not None:
            said = {
                "machines": {covered.machine: covered.to_json() for covered in self._covered},
                "floor": self.floor,
                "below": self.below(),
            }
            self.file.write_text(json.dumps(said, indent=2) + "\n", "utf-8")

    def below(self) -> list[str]:
        """A sentence for each machine and kind that does not reach its floor."""
        return [
            f"{covered.machine}: {kind} coverage is {covered.percent(kind):.1f} %, its floor is {least:g} %"
            for covered in self._covered
            for kind, least in self.floor.items()
            if covered.percent(kind) < least
        ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The table."""
        terminalreporter.section("coverage of state machines")
        for line in table(self._covered):
            terminalreporter.line(line)
        for line in self.below():
            terminalreporter.line(f"BELOW THE FLOOR: {line}", red=True)


def table(covered: list[Covered]) -> list[str]:
    """Coverage as text: a line for each machine, and below it the rows that never fired."""
    width = max([len("machine"), *(len(one.machine) for one in covered)])
    lines = [f"{'machine':<{width}}  {'states':>14}  {'rows':>14}  {'row pairs':>14}"]
    for one in covered:
        cells = [f"{len(one.seen[kind])}/{len(one.known[kind])} {one.percent(kind):4.0f} %" for kind in KINDS]
        lines.append(f"{one.machine:<{width}}  " + "  ".join(f"{cell:>14}" for cell in cells))
        lines += [f"  never fired: {row}" for row in one.missing("row")]
    return lines
