"""The description of a pool: its hosts with their memory, its VMs with their needs and their turn.

`liveset demo --pool FILE` reads it, and starts nothing unless it is right. Its rules:

- The file is small, plain YAML 1.2 (`specs/pools/demo.yaml` is the documented example). Size is looked at
  before a byte is parsed, because parsing is slow: the path of a disk image is refused at once, not after
  minutes.
- Whatever is wrong is one line `file:line:column: what and what would be right [rule]`. Nothing is corrected
  in silence: a VM with a misspelt priority would otherwise stay down on the one day when it matters.
- Memory is whole MiB from here on, delays are seconds.

Left out: whether the VMs fit on the hosts. That is a question about a plan, not about a file
(`hosts.planner`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar, cast

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.language.document import Item, describe, parse
from hosts.errors import PoolError

Priority = Literal["restart", "best-effort", ""]
PRIORITIES: tuple[Priority, ...] = ("restart", "best-effort", "")

LARGEST_FILE = 128 * 1024
"""Bytes: 64 hosts and 1000 VMs, a line each, take about 80,000."""
MOST_HOSTS = 64
MOST_VMS = 1000
MOST_MEMORY = 64 * 1024 * 1024
"""MiB, 64 TiB: above it somebody meant another unit."""
LONGEST_DELAY = 3600.0
"""Seconds. A delay holds back every later group, so an hour is already a mistake in all likelihood."""
FURTHEST_ORDER = 1_000_000

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_MEMORY = re.compile(r"(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]*)")
_MIB = {"MiB": 1, "GiB": 1024, "TiB": 1024 * 1024}
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|min)")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0}


@frozen
class HostEntry:
    """A host of the pool. `memory`: MiB that its VMs may use together."""

    name: str
    memory: int


@frozen
class VmEntry:
    """A VM of the pool.

    `memory`: MiB. `restart_priority`: its own, or the pool's default. `order`: the group it starts in, lower
    first, negative last. `start_delay`: seconds that the next group waits after this VM's start.
    """

    name: str
    memory: int
    restart_priority: Priority = "restart"
    order: int = 0
    start_delay: float = 0.0

    @property
    def protected(self) -> bool:
        """Whether HA promises to run it again: priority "restart", as xapi has it."""
        return self.restart_priority == "restart"


@frozen
class PoolFile:
    """A pool as described: 1 to 64 hosts, at most 1000 VMs, names unique among hosts and among VMs."""

    name: str
    hosts: tuple[HostEntry, ...]
    vms: tuple[VmEntry, ...]
    default_restart_priority: Priority = "restart"

    @classmethod
    def load(cls, path: Path) -> PoolFile:
        """The pool described by a file.

        Errors: `SpecError` for anything that is not a complete and consistent description.
        """
        name = str(path)
        return _pool(parse(_text(path, name), name))

    @classmethod
    def default(cls, hosts: int, vms: int) -> PoolFile:
        """The pool that is demonstrated when no file is given.

        It shows what there is to show: several order groups, a start delay, and (from two VMs on) one
        best-effort VM. Memory is such that all VMs still fit when one host is lost.

        Arguments:
            hosts: 1 to 64.
            vms: 0 to 1000.
        Errors: `PoolError` for other numbers.
        """
        if not 1 <= hosts <= MOST_HOSTS:
            raise PoolError(f"--hosts {hosts}: a pool has 1 to {MOST_HOSTS} hosts")
        if not 0 <= vms <= MOST_VMS:
            raise PoolError(f"--vms {vms}: a pool has 0 to {MOST_VMS} VMs")
        entries = tuple(_default_vm(index, vms) for index in range(vms))
        largest = max((vm.memory for vm in entries), default=0)
        share = -(-sum(vm.memory for vm in entries) // max(hosts - 1, 1))
        memory = max(4096, -(-(share + largest) // 1024) * 1024)
        return cls("demo", tuple(HostEntry(f"host{n + 1}", memory) for n in range(hosts)), entries)


def _default_vm(index: int, count: int) -> VmEntry:
    """VM `index` of `count`: two VMs an order group up to the third group, the last one best-effort."""
    last = index == count - 1 and count > 1
    return VmEntry(
        name=f"vm{index + 1}",
        memory=(1024, 512)[index % 2],
        restart_priority="best-effort" if last else "restart",
        order=0 if last else min(index // 2, 2),
        start_delay=0.2 if index == 0 else 0.0,
    )


def _text(path: Path, name: str) -> str:
    """The file's text. A pipe is not opened, it would wait for ever; no more is read than may be parsed."""
    try:
        if path.exists() and not path.is_file():
            raise SpecError(Place(name), "not a regular file; give a pool description in YAML", "unreadable")
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise SpecError(Place(name), f"{reason}; give a readable pool description", "unreadable") from None
    except ValueError as error:
        raise SpecError(Place(name), f"not a path ({error}); give a pool description", "unreadable") from None
    if len(raw) > LARGEST_FILE:
        raise SpecError(Place(name), f"more than {LARGEST_FILE} bytes; give a pool description", "too-large")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise SpecError(Place(name, line, column), "not UTF-8; save it as UTF-8", "unreadable") from None
    tab = re.search(r"^ *\t", text, re.MULTILINE)
    if tab:
        place = Place(name, text.count("\n", 0, tab.start()) + 1, tab.end() - tab.start())
        raise SpecError(place, "indented with a tab; YAML is indented with spaces", "tab")
    return text


def _pool(item: Item) -> PoolFile:
    keys = ("name", "hosts", "vms", "default_restart_priority")
    entries = _mapping(item, "a pool", keys, needed=("name", "hosts"))
    given = entries.get("default_restart_priority")
    default: Priority = _priority(given) if given else "restart"
    hosts = _list(entries["hosts"], "hosts", _host, MOST_HOSTS)
    if not hosts:
        raise entries["hosts"].fail("a pool needs at least one host: [{name: h1, memory: 4GiB}]", "no-hosts")
    vms = _list(entries["vms"], "vms", lambda vm: _vm(vm, default), MOST_VMS) if "vms" in entries else ()
    return PoolFile(_name(entries["name"]), hosts, vms, default)


def _host(item: Item) -> HostEntry:
    entries = _mapping(item, "a host", ("name", "memory"), needed=("name", "memory"))
    return HostEntry(_name(entries["name"]), _memory(entries["memory"]))


def _vm(item: Item, default: Priority) -> VmEntry:
    keys = ("name", "memory", "restart_priority", "order", "start_delay")
    entries = _mapping(item, "a VM", keys, needed=("name", "memory"))
    return VmEntry(
        name=_name(entries["name"]),
        memory=_memory(entries["memory"]),
        restart_priority=_priority(entries["restart_priority"]) if "restart_priority" in entries else default,
        order=_order(entries["order"]) if "order" in entries else 0,
        start_delay=_delay(entries["start_delay"]) if "start_delay" in entries else 0.0,
    )


_Entry = TypeVar("_Entry", HostEntry, VmEntry)


def _list(item: Item, what: str, one: Callable[[Item], _Entry], most: int) -> tuple[_Entry, ...]:
    """The entries of a list whose names must differ."""
    items = item.sequence(what)
    if len(items) > most:
        raise items[most].fail(f"{len(items)} {what}; a pool has at most {most}", "too-many")
    seen: dict[str, Place] = {}
    entries = []
    for part in items:
        entry = one(part)
        at = part.value["name"].at
        if entry.name in seen:
            message = f"{entry.name!r} is already on line {seen[entry.name].line}; names must differ"
            raise SpecError(at, message, "duplicate-name")
        seen[entry.name] = at
        entries.append(entry)
    return tuple(entries)


def _mapping(item: Item, what: str, keys: tuple[str, ...], needed: tuple[str, ...]) -> Mapping[str, Item]:
    entries = item.mapping(what, keys)
    for key in needed:
        if key not in entries:
            raise item.fail(f"{what} needs the key {key!r}", "missing-key")
    return entries


def _name(item: Item) -> str:
    """A name that is safe as a file name, in a line of a VM's disk, and on a command line."""
    if not isinstance(item.value, str) or not NAME.fullmatch(item.value):
        shown = f'{item.value}; write "{item.value}"' if type(item.value) is int else _shown(item.value)
        raise item.fail(f"a name is 1 to 32 of a-z, 0-9 and '-' (not first), not {shown}", "bad-name")
    return item.value


def _memory(item: Item) -> int:
    """MiB: a whole number of them, or text with a unit."""
    value, mib = item.value, None
    if type(value) is int:
        mib = float(value)
    elif isinstance(value, str) and (found := _MEMORY.fullmatch(value)) and found[2] in _MIB:
        mib = float(found[1]) * _MIB[found[2]]
    if mib is None or mib != int(mib):
        right = "write a whole number of MiB, or text such as 512MiB or 4GiB"
        raise item.fail(f"memory is {_shown(value)}; {right}", "bad-memory")
    if not 1 <= mib <= MOST_MEMORY:
        raise item.fail(f"memory is {_shown(value)}; it must be from 1MiB to 64TiB", "bad-memory")
    return int(mib)


def _priority(item: Item) -> Priority:
    if item.value not in PRIORITIES:
        right = 'write restart, best-effort or ""'
        raise item.fail(f"restart priority is {_shown(item.value)}; {right}", "bad-priority")
    return cast(Priority, item.value)


def _order(item: Item) -> int:
    if type(item.value) is not int or abs(item.value) > FURTHEST_ORDER:
        right = f"write a whole number up to {FURTHEST_ORDER}, negative for last"
        raise item.fail(f"order is {_shown(item.value)}; {right}", "bad-order")
    return int(item.value)


def _delay(item: Item) -> float:
    value, seconds = item.value, None
    if type(value) in (int, float):
        seconds = float(value)
    elif isinstance(value, str) and (found := _DELAY.fullmatch(value)):
        seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds is None or not 0 <= seconds <= LONGEST_DELAY:
        right = "write text such as 0.5s or 2min, from nothing to an hour"
        raise item.fail(f"start_delay is {_shown(value)}; {right}", "bad-delay")
    return seconds


def _shown(value: object) -> str:
    """A value as its author may recognise it, short enough for one line."""
    text = describe(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
