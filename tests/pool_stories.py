"""The shipped systems with chosen faults and settings, for the tests that explore them."""

from __future__ import annotations

from fsm.explore.system import System
from fsm.locate import specs
from tools.defects import settings

MASTER_1 = ("settings.master=1", "host.role=1", "settings.running.v=0", "pool.restart[v].resident=0")
"""The other host is the first master, and the VM runs on the host that is not."""


def story(name: str, faults: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> System:
    """A shipped system with these faults alone: once each, or in failover any number of times."""
    system = System.load(specs() / "systems" / f"{name}.yaml")
    for setting, value in settings(system, faults, more):
        system = system.with_setting(setting, value)
    return system
