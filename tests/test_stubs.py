"""`fsm stubs`: what a type checker sees of a machine, and that the module works when it runs."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mypy import api

from fsm.cli import main
from fsm.convert.stubs import stubs
from fsm.drivers.bound import AsyncBound, Bound
from fsm.drivers.clock import VirtualClock
from fsm.errors import SpecError
from fsm.language.load import Library
from fsm.locate import specs
from tests.spec_folder import ENGINE

TOYS = ENGINE.parent / "toys"

LOCK = """
language: 1
port: lock
essay: a lock
operations:
  open: {idempotent: true, arguments: {force: "0..5"}, outcomes: {done: {times: "0..3"}, jammed: {}}}
  look: {instant: true, outcomes: {free: {}, held: {by: "host?", also: hosts}}}
signals: {click: {loud: bool}}
events: {touched: {by: host}}
"""
DOOR = """
language: 1
machine: door
essay: a door
ports: [lock]
variables:
  turns: {type: "0..3", store: memory, initial: 0, why: "how often the key was turned"}
  mood: {type: [good, bad], store: memory, initial: good, why: "how it feels"}
events: {push: {force: "0..5"}, knock: {}, rest: {}, paint: {colour: [red, green], note: opaque}, in: {from: bool}}
initial: shut
states: [shut, opening, {ajar: [wide, narrow]}]
exit:
  shut: {tell: "lock.click(loud=true)", why: "it can be heard"}
rows:
- {from: shut, on: push, to: opening, do: "lock.open(force=force)", why: "somebody pushes it"}
- {from: opening, on: lock.done, to: wide, set: {turns: times}, why: "it is open"}
- {from: opening, on: lock.jammed, to: shut, why: "it is stuck"}
- {from: wide, on: lock.touched, to: narrow, why: "somebody leans on it"}
- {from: "*", on: [knock, rest, paint, in], to: same, why: "nobody minds"}
"""
USE = """
from __future__ import annotations
from typing import Any, assert_never
from fsm import Operation
from fsm.drivers.bound import AsyncBound, Bound
from door_types import *

class Lock:
    def open(self, *, force: int) -> LockDone | LockJammed:
        return LockDone(times=force) if force > 2 else LockJammed()
    def look(self) -> LockFree | LockHeld:
        return LockHeld(by=None, also=frozenset({1}))
    def click(self, *, loud: bool) -> None: ...
    def failure(self, operation: Operation, error: BaseException) -> LockJammed:
        return LockJammed()

class AsyncLock(Lock):
    async def open(self, *, force: int) -> LockDone | LockJammed:  # type: ignore[override]
        return LockDone(times=force)

def program() -> int:
    door = door_machine(Bound.start("door.yaml", door_ports(lock=Lock())))
    pushed: bool = door.push(force=3) and door.trigger("push", force=3) and door.trigger("knock")
    if door.state == "opening" or door.is_ajar() or door.is_in("ajar") or door.may_paint(colour="red", note=7):
        why: str | None = door.why_not("lock.touched", by=1)
    return door.value("turns")

async def later() -> bool:
    door = async_door_machine(AsyncBound.start("door.yaml", async_door_ports(lock=AsyncLock())))
    return await door.push(force=3) and await door.trigger("knock") and door.may_push(force=1)

def came_to(outcome: LockOpenOutcome) -> int:
    if isinstance(outcome, LockDone):
        return outcome[1]["times"]
    if isinstance(outcome, LockJammed):
        return 0
    assert_never(outcome)

"""
MISTAKES = """
from __future__ import annotations
from typing import assert_never
from fsm import Operation
from fsm.drivers.bound import Bound
from door_types import *

class Lock:
    def open(self, *, force: int) -> LockDone | LockJammed:
        return LockDone(times="many")  #! arg-type
    def look(self) -> LockFree:
        return "free", {}  #! return-value
    def failure(self, operation: Operation, error: BaseException) -> LockJammed:
        return LockJammed(times=1)  #! call-arg

class Opener(Lock):
    def click(self, *, loud: str) -> None: ...

adapters = door_ports(lock=Lock())  #! arg-type
adapters = door_ports(lock=Opener())  #! arg-type
adapters = door_ports()  #! call-arg
door = door_machine(Bound.start("door.yaml", adapters))
door.pull()  #! attr-defined
door.push(force="3")  #! arg-type
door.push()  #! call-arg
door.trigger("pull")  #! call-overload
door.trigger("push", forse=3)  #! call-overload
door.may_paint(colour="blue", note=1)  #! arg-type
door.state == "open"  #! comparison-overlap
door.is_open()  #! attr-defined
door.is_in("open")  #! arg-type
door.value("turn")  #! call-overload
colour: DoorPaintPayload = {"colour": "red"}  #! typeddict-item
state: DoorState = "ajar"  #! assignment

def came_to(outcome: LockOpenOutcome) -> int:
    if isinstance(outcome, LockDone):
        return 1
    assert_never(outcome)  #! arg-type
"""


def library(*edits: tuple[str, str]) -> Library:
    """The door in memory, edited."""
    texts = {"machines/door.yaml": DOOR, "ports/lock.yaml": LOCK}
    for old, new in edits:
        assert any(old in text for text in texts.values())
        texts = {path: text.replace(old, new) for path, text in texts.items()}
    return Library.of(dict(texts))


def door_stubs(*edits: tuple[str, str]) -> str:
    """The module of the door."""
    return stubs([library(*edits).machine("door")])


def folder(root: Path) -> Path:
    """The door's files below `root`; the machine's."""
    for name, text in (("machines/door.yaml", DOOR), ("ports/lock.yaml", LOCK)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root / "machines/door.yaml"


def every(root: Path) -> Iterator[Path]:
    """A module for each folder of specs that there is."""
    for name, source in (("shipped", specs()), ("engine", ENGINE), ("toys", TOYS)):
        known = Library(source)
        yield root / f"{name}_types.py"
        (root / f"{name}_types.py").write_text(stubs([known.machine(machine) for machine in known.names()]))
    yield root / "door_types.py"
    (root / "door_types.py").write_text(door_stubs())


def test_the_type_checker_takes_every_module_and_finds_every_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mypy --strict` has nothing to say of the modules and of a program, and says exactly what is expected of one
    with wrong names, wrong payloads, a port that lacks a method, and an outcome that is not handled."""
    files = [path.name for path in every(tmp_path)]
    (tmp_path / "use.py").write_text(USE)
    (tmp_path / "mistakes.py").write_text(MISTAKES)
    monkeypatch.chdir(tmp_path)
    shown = ["--no-error-summary", "--show-error-codes", "--hide-error-context", "--no-pretty"]
    options = ["--strict", "--config-file=", "--cache-dir=cache", f"--python-executable={sys.executable}", *shown]
    output, errors, _ = api.run([*options, *files, "use.py", "mistakes.py"])
    assert errors == ""
    found = re.findall(r"^(\S+):(\d+): error: .*\[(\S+)\]$", output, re.MULTILINE)
    wanted = [
        ("mistakes.py", str(number), line.partition("#! ")[2])
        for number, line in enumerate(MISTAKES.splitlines(), 1)
        if "#! " in line
    ]
    assert found == wanted, output


@pytest.mark.parametrize("width", ["88", "120"])
def test_the_linter_and_the_formatter_leave_every_module_alone(tmp_path: Path, width: str) -> None:
    """By the rules of this project, at its own line length and at the formatter's default one."""
    files = [str(path) for path in every(tmp_path)]
    settings = [
        "--config",
        str(Path(__file__).parent.parent / "pyproject.toml"),
        f"--line-length={width}",
        "--no-cache",
    ]
    for command in (["check"], ["format", "--check"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings, *files], capture_output=True, text=True
        )
        assert run.returncode == 0, run.stdout + run.stderr


def load(text: str, path: Path) -> ModuleType:
    """The module, imported."""
    path.write_text(text)
    spec = util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_typed_object_is_an_adapter_of_either_driver(tmp_path: Path) -> None:
    """Outcome classes are what a driver takes; operations, signals and failures reach their methods."""
    types, heard = load(door_stubs(), tmp_path / "door_types.py"), list[bool]()

    class Lock:
        def open(self, *, force: int) -> Any:
            if force == 5:
                raise OSError("it broke")
            return types.LockDone(times=force)

        def click(self, *, loud: bool) -> None:
            heard.append(loud)

        def failure(self, operation: Any, error: BaseException) -> Any:
            return types.LockJammed()

    class AsyncLock(Lock):
        async def open(self, *, force: int) -> Any:
            return super().open(force=force)

    path = folder(tmp_path)
    door = types.door_machine(Bound.start(path, types.door_ports(lock=Lock()), clock=VirtualClock()))
    assert door.push(force=5)
    assert door.state == "shut"
    assert door.push(force=2)
    assert (door.state, door.value("turns"), heard) == ("wide", 2, [True, True])

    async def program() -> None:
        bound = AsyncBound.start(path, types.async_door_ports(lock=AsyncLock()), clock=VirtualClock())
        door = types.async_door_machine(bound)
        assert await door.push(force=1)
        while door.state == "opening":
            await asyncio.sleep(0)
        assert (door.state, door.value("turns")) == ("wide", 1)
        await bound.driver.stop()

    asyncio.run(program())


def test_the_text_depends_on_what_the_specs_say_alone() -> None:
    """Neither the order of machines nor comments nor the layout change a byte; a row changes the digest in the head."""
    known = Library(ENGINE)
    loaded = [known.machine(name) for name in known.names()]
    assert stubs(loaded) == stubs(loaded[::-1])
    assert door_stubs() == door_stubs(("essay: a door", "# a remark\nessay:   a door"))
    before, after = door_stubs().splitlines(), door_stubs(("it is stuck", "it is very stuck")).splitlines()
    assert [(a.split()[0], b.split()[0]) for a, b in zip(before, after, strict=True) if a != b] == [("door", "door")]


def test_names_that_python_keeps_for_itself_can_be_sent_all_the_same() -> None:
    """A field that is a keyword stands in a TypedDict by its name, and is sent without a type; an event that is one
    goes through `trigger`."""
    text = door_stubs()
    assert '        "from": bool,\n' in text
    assert "    def may_in(self, **payload: Any) -> bool:\n" in text
    assert "    def in(" not in text
    assert '    def trigger(self, event: Literal["in"], /, **payload: Any) -> bool: ...\n' in text


def test_two_names_that_are_one_in_python_are_refused() -> None:
    """The message says which."""
    with pytest.raises(SpecError, match=r"two names would both be LockA1 in Python; rename one \[stub-name\]"):
        door_stubs(("jammed: {}}", "jammed: {}, a_1: {}, a1: {}}"))


def test_check_says_whether_a_file_is_older_than_its_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 when it is what would be written, 1 when it is not or is not there, and it writes nothing."""
    machine, file = folder(tmp_path), tmp_path / "door_types.py"
    assert main(["stubs", str(machine), "-o", str(file), "--check"]) == 1
    assert not file.exists()
    assert main(["stubs", str(machine), "-o", str(file)]) == 0
    assert main(["stubs", str(tmp_path), "-o", str(file), "--check"]) == 0
    assert file.read_text() == door_stubs()
    machine.write_text(DOOR.replace("nobody minds", "nobody cares"))
    capsys.readouterr()
    assert main(["stubs", str(machine), "-o", str(file), "--check"]) == 1
    assert capsys.readouterr().out == f"{file}: older than the specs; run fsm stubs without --check\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["loc"], "loc:1:1: neither a path nor a shipped machine; did you mean 'lock'? [no-spec]"),
        (["lock", "--check"], "--check:1:1: name the file to look at, with -o FILE [usage]"),
        (["lock", "-o", "."], ".:1:1: cannot write it: Is a directory [unwritable]"),
        (["lock", "-o", ".", "--check"], ".:1:1: cannot read it: Is a directory [unreadable]"),
    ],
)
def test_what_cannot_be_done_is_2_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong name, no file to look at, a file that cannot be."""
    assert main(["stubs", *arguments]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", message + "\n")


def test_a_shipped_machine_is_known_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Without -o the module goes to standard output."""
    assert main(["stubs", "election"]) == 0
    assert "class ElectionMachine(Protocol):" in capsys.readouterr().out
