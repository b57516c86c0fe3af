"""The shipped systems with chosen faults and settings, for the tests that explore them."""

from __future__ import annotations

from fsm.explore.system import System
from fsm.locate import specs
from tools.defects import settings


def story(name: str, faults: tuple[str, ...] = (), more: tuple[str, ...] = ()) -> System:
    """A shipped system with these faults alone: once each, or in failover any number of times."""
    system = System.load(specs() / "systems" / f"{name}.yaml")
    for setting, value in settings(system, faults, more):
        system = system.with_setting(setting, value)
    return system
