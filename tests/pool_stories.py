"""The shipped systems with chosen faults and settings, for the tests that explore them."""

from __future__ import annotations

from fsm.explore.system import System
from fsm.locate import specs

FAULTS = ("crash", "restart", "loss", "late", "statefile", "cut")
MASTER_1 = ("settings.master=1", "host.role=1", "settings.running.v=0", "pool.restart[v].resident=0")
"""The other host is the first master, and the VM runs on the host that is not."""


def story(name: str, faults: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> System:
    """A shipped system with these faults alone: once each, or in failover any number of times."""
    system = System.load(specs() / "systems" / f"{name}.yaml")
    for setting, value in settings(system, faults, more):
        system = system.with_setting(setting, value)
    return system


def settings(system: System, faults: tuple[str, ...], more: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What makes the system have these faults alone, with more settings NAME=VALUE: (name, value) of each."""
    budget = "any" if system.name == "failover" else "1"
    found = [(f"faults.{fault}", budget if fault in faults else "0") for fault in FAULTS if fault in system.faults]
    found += [(name, value) for name, _, value in (setting.partition("=") for setting in more)]
    return tuple(found)
