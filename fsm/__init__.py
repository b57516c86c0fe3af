"""The engine: state machines that are read, checked, explored, drawn and run from one declarative spec.

What a program needs stands here by name; the module that holds it is loaded when the name is first used, so
that `import fsm` costs a few milliseconds and brings in neither networkx nor ruamel.yaml nor transitions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm.errors import Place, SpecError
    from fsm.locate import specs

__version__ = "0.1.0"

__all__ = ["Place", "SpecError", "__version__", "specs"]

# Name -> module. Kept equal to the imports above (for type checkers) by tests/test_house.py.
_EXPORTS = {
    "Place": "fsm.errors",
    "SpecError": "fsm.errors",
    "specs": "fsm.locate",
}


def __getattr__(name: str) -> object:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module 'fsm' has no attribute {name!r}")
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
