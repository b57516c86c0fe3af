"""The shipped systems with chosen faults and settings, for the tests that explore them."""

from __future__ import annotations

from fsm.explore.system import System
from fsm.locate import specs

FAULTS = ("crash", "restart", "loss", "late", "statefile")
MASTER_1 = ("settings.master=1", "host.role=1", "settings.running.v=0", "pool.restart[v].resident=0")
"""The other host is the first master, and the VM runs on the host that is not."""


def story(name: str, faults: tuple[str, ...] = (), settings: tuple[str, ...] = ()) -> System:
    """A shipped system with these faults alone: once each, or in failover any number of times."""
    return changed(System.load(specs() / "systems" / f"{name}.yaml"), faults, settings)


def changed(system: System, faults: tuple[str, ...], settings: tuple[str, ...]) -> System:
    """The system with these faults alone, and with settings NAME=VALUE."""
    budget = "any" if system.name == "failover" else "1"
    for fault in FAULTS:
        system = system.with_setting(f"faults.{fault}", budget if fault in faults else "0")
    for setting in settings:
        name, _, value = setting.partition("=")
        system = system.with_setting(name, value)
    return system
