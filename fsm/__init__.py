"""The engine: state machines that are read, checked, explored, drawn and run from one declarative spec.

What a program needs stands here by name; the module that holds it is loaded when the name is first used, so
that `import fsm` costs a few milliseconds and brings in neither networkx nor ruamel.yaml nor transitions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm.drivers.adapters import Adapter, Outcome, SyncAdapter
    from fsm.drivers.bound import AsyncBound, Bound
    from fsm.drivers.clock import VirtualClock
    from fsm.drivers.drive import AsyncDriver
    from fsm.drivers.futures import DriverFailed
    from fsm.drivers.journal import Journal
    from fsm.drivers.port_methods import AsyncMethods, Methods
    from fsm.drivers.resume import resume
    from fsm.drivers.snapshot import SpecChanged, Upgrade
    from fsm.drivers.steps import Steps
    from fsm.drivers.sync import NestedSend, SyncDriver
    from fsm.engine.node import Node
    from fsm.engine.turn import Effects, Event, Fired, Operation, Reply, Signal, Timer, Turn
    from fsm.errors import BadValues, Place, SpecError
    from fsm.language.load import Library
    from fsm.locate import specs

__version__ = "0.1.0"

__all__ = [
    "Adapter",
    "AsyncBound",
    "AsyncDriver",
    "AsyncMethods",
    "BadValues",
    "Bound",
    "DriverFailed",
    "Effects",
    "Event",
    "Fired",
    "Journal",
    "Library",
    "Methods",
    "NestedSend",
    "Node",
    "Operation",
    "Outcome",
    "Place",
    "Reply",
    "Signal",
    "SpecChanged",
    "SpecError",
    "Steps",
    "SyncAdapter",
    "SyncDriver",
    "Timer",
    "Turn",
    "Upgrade",
    "VirtualClock",
    "__version__",
    "resume",
    "specs",
]

# Name -> module. Kept equal to the imports above (for type checkers) by tests/test_house.py.
_EXPORTS = {
    "Adapter": "fsm.drivers.adapters",
    "AsyncBound": "fsm.drivers.bound",
    "AsyncDriver": "fsm.drivers.drive",
    "AsyncMethods": "fsm.drivers.port_methods",
    "BadValues": "fsm.errors",
    "Bound": "fsm.drivers.bound",
    "DriverFailed": "fsm.drivers.futures",
    "Effects": "fsm.engine.turn",
    "Event": "fsm.engine.turn",
    "Fired": "fsm.engine.turn",
    "Journal": "fsm.drivers.journal",
    "Library": "fsm.language.load",
    "Methods": "fsm.drivers.port_methods",
    "NestedSend": "fsm.drivers.sync",
    "Node": "fsm.engine.node",
    "Operation": "fsm.engine.turn",
    "Outcome": "fsm.drivers.adapters",
    "Place": "fsm.errors",
    "Reply": "fsm.engine.turn",
    "Signal": "fsm.engine.turn",
    "SpecChanged": "fsm.drivers.snapshot",
    "SpecError": "fsm.errors",
    "Steps": "fsm.drivers.steps",
    "SyncAdapter": "fsm.drivers.adapters",
    "SyncDriver": "fsm.drivers.sync",
    "Timer": "fsm.engine.turn",
    "Turn": "fsm.engine.turn",
    "Upgrade": "fsm.drivers.snapshot",
    "VirtualClock": "fsm.drivers.clock",
    "resume": "fsm.drivers.resume",
    "specs": "fsm.locate",
}


if not TYPE_CHECKING:  # a module with __getattr__ has every name for a type checker, misspelt ones too

    def __getattr__(name: str) -> object:
        module = _EXPORTS.get(name)
        if module is None:
            raise AttributeError(f"module 'fsm' has no attribute {name!r}")
        value: object = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
