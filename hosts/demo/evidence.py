"""What a run leaves on disk: the VMs' disks, the journals of agents and daemons, the supervisors' records of the dead.

Everything is read as it is found after a run that may have been cut off at any byte. A last line without
its end is torn and left out. A line that makes no sense is reported as a trouble and left out; a file that
is not there is reported as missing. Nothing is believed beyond its words: which instance of a VM wrote is
what the line says, and the order of lines in a file counts beside their times, because a process that was
frozen between looking at the clock and writing leaves an early time in a late line.

All times are seconds of CLOCK_BOOTTIME; one machine, so they compare between hosts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import evolve, field, frozen


@frozen
class Line:
    """A line of a VM's disk. `at`: file:line; `text`: the line itself, to be quoted as proof. `stopped`: the instance
    was asked to end, and this is its last line."""

    vm: str
    host: str
    incarnation: int
    counter: int
    time: float
    at: str
    text: str
    stopped: bool = False


@frozen
class Entry:
    """A line of a journal: one row that fired on `host`. `at`: file:line.

    `set`: by the variables' own names, "live" for "membership.live". `kept`: pool variables that the turn of this row
    has made durable, by their whole names; it has acknowledged them. `reply`: what the turn answered to a call. Where
    no machine is named the program began (`event` is "boot", `set` what it remembered), gave up ("failed"), or has
    read the database ("loaded", `kept` what it holds).
    """

    host: str
    time: float
    machine: str
    row: str
    source: str
    event: str
    target: str
    set: Mapping[str, Any]
    why: str
    at: str
    payload: Mapping[str, Any] = field(factory=dict)
    kept: Mapping[str, Any] = field(factory=dict)
    reply: str = ""


@frozen
class Fence:
    """`host` is dead at `when`. `confirmed`: an obituary, written after the last process had died;
    otherwise the host's own announcement, written just before it went."""

    host: str
    when: float
    reason: str
    confirmed: bool = True


@frozen
class Stop:
    """Somebody (`by`) ended an instance of `vm` on `host`, or with no `vm` the agent of `host`, and saw it end."""

    host: str
    when: float
    by: str
    vm: str = ""


@frozen
class Disable:
    """HA was asked to be disabled, and was when `completed`; None: it never answered, or said no."""

    asked: float
    completed: float | None


@frozen
class Stored:
    """The pool database, as its redo log replays: how many changes it has seen, and the variables by name."""

    changes: int
    variables: Mapping[str, Any]


@frozen
class Evidence:
    """All that is known about a run.

    hosts: names by index. lines: VM -> its lines in the order of the file. entries: of all agents' journals, in the
    order of time; daemons: of all daemons'. protected: VMs that HA promised to run. unplaced: VM -> why there was no
    host for it.
    stored: what the redo log holds at the end, where somebody has looked.
    fault: when the fault was injected; sentences count from it. until: when the run was looked at last,
    None: at its last line. troubles: what made no sense, one sentence each. missing: what could not be read
    at all, likewise.
    """

    hosts: tuple[str, ...]
    lines: Mapping[str, tuple[Line, ...]] = field(factory=dict)
    entries: tuple[Entry, ...] = ()
    daemons: tuple[Entry, ...] = ()
    fences: tuple[Fence, ...] = ()
    stops: tuple[Stop, ...] = ()
    protected: tuple[str, ...] = ()
    unplaced: Mapping[str, str] = field(factory=dict)
    stored: Stored | None = None
    fault: float = 0.0
    until: float | None = None
    disable: Disable | None = None
    troubles: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def deaths(self) -> tuple[Fence, ...]:
        """When hosts died, in the order of time. An obituary counts, and an announcement only of a host
        without any: its processes may live on for a moment."""
        buried = {fence.host for fence in self.fences if fence.confirmed}
        believed = (fence for fence in self.fences if fence.confirmed or fence.host not in buried)
        return tuple(sorted(believed, key=lambda fence: fence.when))

    def end(self) -> float:
        """When the run was looked at last."""
        if self.until is not None:
            return self.until
        return max((line.time for lines in self.lines.values() for line in lines), default=self.fault)


def read_evidence(
    hosts: Sequence[str],
    disks: Mapping[str, Path],
    journals: Mapping[str, Path],
    fenced: Mapping[str, Path],
    daemons: Mapping[str, Path] = MappingProxyType({}),
) -> Evidence:
    """The evidence in files; the caller adds what only it knows (`attrs.evolve`).

    Arguments:
        hosts: names by index; files may say either.
        disks: VM -> its disk, lines of "vm host incarnation counter time", the last one perhaps with "stopped".
        journals: host -> its agent's journal, one JSON object a line; daemons: likewise, of the daemons.
        fenced: host -> its supervisor's record (obituaries one a line, or `fenced.json`): `reason`, and the time as
            `dead` (an obituary) or, where that is null, as `requested` (announced). No file: it did not die.
    Errors: none; what cannot be read is in `troubles` and `missing`.
    """
    seen = _Reader(tuple(hosts), [], [])
    lines = {vm: tuple(seen.parsed(path, seen.line(vm))) for vm, path in disks.items()}
    fences = [fence for host, path in fenced.items() if path.exists() for fence in seen.fences(path, host)]
    return evolve(
        Evidence(seen.hosts, lines),
        entries=seen.entries(journals),
        daemons=seen.entries(daemons),
        fences=tuple(fences),
        troubles=tuple(seen.troubles),
        missing=tuple(seen.missing),
    )


@frozen
class _Reader:
    """Reads files and keeps account of what could not be read."""

    hosts: tuple[str, ...]
    troubles: list[str]
    missing: list[str]

    def parsed(self, path: Path, parse: Callable[[str, str], Any]) -> list[Any]:
        """What `parse` makes of each whole line, given the line and its place."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            self.missing.append(f"{_at(path)} cannot be read: {error.strerror}")
            return []
        found = []
        for number, text in enumerate(raw.decode("utf-8", "replace").split("\n")[:-1], start=1):
            at = f"{_at(path)}:{number}"
            try:
                found.append(parse(text, at))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.troubles.append(f"{at} makes no sense and is left out: {_shown(text)}")
        return found

    def host(self, said: object) -> str:
        """A host's name from its name or index. Errors: `ValueError`."""
        if said in self.hosts:
            return str(said)
        index = int(str(said))
        if not 0 <= index < len(self.hosts):
            raise ValueError(said)
        return self.hosts[index]

    def line(self, vm: str) -> Callable[[str, str], Line]:
        def whole(text: str, at: str) -> Line:
            name, host, incarnation, counter, time, *end = text.split()
            if name != vm or end not in ([], ["stopped"]):
                raise ValueError(text)
            where, number = self.host(host), int(incarnation)
            return Line(vm, where, number, int(counter), _time(time), at, text, bool(end))

        def parse_rest(text: str, at: str) -> Line:
            """A line; or the whole one behind a torn one, when another instance wrote on after it."""
            rest = text[max(text.rfind(f"{vm} "), 0) :]
            line = whole(rest, at)
            if rest != text:
                self.troubles.append(f"{at} begins with a torn line: {_shown(text)}")
            return line

        return parse_rest

    def entries(self, journals: Mapping[str, Path]) -> tuple[Entry, ...]:
        """The entries of all journals, in the order of time; lines that only a replay needs are left out."""
        read = (entry for host, path in journals.items() for entry in self.parsed(path, self.entry(host)))
        return tuple(sorted((entry for entry in read if entry), key=lambda entry: entry.time))

    def entry(self, host: str) -> Callable[[str, str], Entry | None]:
        def parse(text: str, at: str) -> Entry | None:
            said = json.loads(text)
            time, where = _time(said["time"]), self.host(host)
            if "journal" in said:
                return Entry(where, time, "", "", "", "boot", "", dict(said["host"]), "the program begins", at)
            if "failed" in said:
                return Entry(where, time, "", "", "", "failed", "", {}, str(said["failed"]), at)
            if "pool" in said:
                read = "the newest database was read"
                return Entry(where, time, "", "", "", "loaded", "", {}, read, at, kept=dict(said["pool"]))
            if "row" not in said:
                return None if "turn" in said else said["row"]
            effects = said.get("effects") or {}
            return Entry(
                host=where,
                time=time,
                machine=str(said["machine"]),
                row=str(said["row"]),
                source=str(said.get("from", "")),
                event=str(said.get("event", "")),
                target=str(said.get("to", "")),
                set={name.rpartition(".")[2]: value for name, value in (said.get("set") or {}).items()},
                why=str(said.get("why", "")),
                at=at,
                payload=dict(said.get("payload") or {}),
                kept=dict(effects.get("pool") or {}),
                reply=next((str(outcome) for _, outcome, _ in effects.get("replies") or ()), ""),
            )

        return parse

    def fences(self, path: Path, host: str) -> list[Fence]:
        """One JSON document, or one a line."""
        try:
            document = json.loads(path.read_bytes())
        except OSError as error:
            self.missing.append(f"{_at(path)} cannot be read: {error.strerror}")
            return []
        except (ValueError, RecursionError):
            return self.parsed(path, lambda text, _: self.fence(json.loads(text), host))
        try:
            return [self.fence(said, host) for said in (document if isinstance(document, list) else [document])]
        except (ValueError, KeyError, TypeError, AttributeError):
            self.troubles.append(f"{_at(path)} makes no sense and is left out: {_shown(str(document))}")
            return []

    def fence(self, said: Mapping[str, Any], host: str) -> Fence:
        confirmed = said.get("dead") is not None
        when = said["dead"] if confirmed else said["requested"]
        return Fence(self.host(said.get("host", host)), _time(when), str(said.get("reason", "")), confirmed)


def _at(path: Path) -> str:
    """A file by its name and its directory's: journals of all hosts have one name."""
    return f"{path.parent.name}/{path.name}"


def _time(said: object) -> float:
    """Seconds. Errors: `ValueError` for what is no finite number."""
    seconds = float(str(said))
    if not math.isfinite(seconds):
        raise ValueError(said)
    return seconds


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
