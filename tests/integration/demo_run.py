"""A run of `liveset demo` as a user starts it, in a directory and with a mark of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
"""Seconds: a run takes 10 on an idle machine."""


@define(eq=False)
class Demo:
    """A run under way. Every process that descends from it has `mark` in its environment."""

    process: subprocess.Popen[str]
    directory: Path
    mark: str
    told: list[str] = field(factory=list)

    def until(self, words: str) -> None:
        """Wait until a line of its progress has these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.told.append(line.rstrip())
            if words in line:
                return
        raise AssertionError(f"it ended before it said {words!r}: {self.told}")

    def end(self) -> int:
        """Wait for its end; its exit code."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        self.told += errors.splitlines()
        self.output = output
        return self.process.returncode

    def report(self) -> dict[str, Any]:
        """What it printed."""
        report: dict[str, Any] = json.loads(self.output)
        return report

    def left(self, patience: float = 0.0) -> list[str]:
        """The processes that are left of it `patience` seconds later at the latest; the dead do not count."""
        until = time.monotonic() + patience
        while found := _marked(self.mark):
            if time.monotonic() >= until:
                break
            time.sleep(0.02)
        return found

    output: str = field(default="", init=False)


@contextmanager
def demo(*words: str, **environment: str) -> Iterator[Demo]:
    """Start `liveset demo --json` with these words; killed at the end, whatever happened."""
    directory = Path(tempfile.mkdtemp(prefix="ls"))  # short: sockets lie below it
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "hosts.cli", "demo", "--json", *words],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory), "DEMO_MARK": mark, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = Demo(process, directory, mark)
    try:
        yield run
    finally:
        process.kill()
        process.communicate()
        run.left(5.0)
        shutil.rmtree(directory, ignore_errors=True)


def _marked(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if f"DEMO_MARK={mark}".encode() in (entry / "environ").read_bytes():
                found.append(f"{entry.name}: {(entry / 'stat').read_text().rpartition(')')[2].split()[0]}")
        except OSError:
            continue  # gone, or none of ours
    return [process for process in found if not process.endswith(("Z", "X"))]
