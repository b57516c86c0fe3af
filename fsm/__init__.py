"""The engine: state machines that are read, checked, explored, drawn and run from one declarative spec.

What a program needs stands here by name; the module that holds it is loaded when the name is first used, so
that `import fsm` costs a few milliseconds and brings in neither networkx nor ruamel.yaml nor transitions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm.errors import Place, SpecError
    from fsm.load import Library
    from fsm.locate import specs
    from fsm.node import Effects, Event, Fired, Node, Operation, Reply, Signal, Timer, Turn

__version__ = "0.1.0"

__all__ = [
    "Effects",
    "Event",
    "Fired",
    "Library",
    "Node",
    "Operation",
    "Place",
    "Reply",
    "Signal",
    "SpecError",
    "Timer",
    "Turn",
    "__version__",
    "specs",
]

# Name -> module. Kept equal to the imports above (for type checkers) by tests/test_house.py.
_EXPORTS = {
    "Effects": "fsm.node",
    "Event": "fsm.node",
    "Fired": "fsm.node",
    "Library": "fsm.load",
    "Node": "fsm.node",
    "Operation": "fsm.node",
    "Place": "fsm.errors",
    "Reply": "fsm.node",
    "Signal": "fsm.node",
    "SpecError": "fsm.errors",
    "Timer": "fsm.node",
    "Turn": "fsm.node",
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
