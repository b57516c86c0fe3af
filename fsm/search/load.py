"""One way to a space, whatever kind of file it is written in: a system of machines and a world, or a model.

A program names the file; `fsm` itself also takes the bare name of what is shipped with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsm.errors import SpecError
from fsm.search.space import Space

if TYPE_CHECKING:
    from fsm.explore.system import System
    from fsm.models.model import Model


def load_space(path: Path, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()) -> Space[Any]:
    """The space of a file.

    Arguments:
        path: a system, a model, or a machine, which is explored alone; told apart by their first keys.
        settings: (name, value) to change: `hosts`, `faults.KIND`, ... of a system, parameters and faults of a model.
        without: clauses of the world to switch off; a model has none.
    Errors: `SpecError`.
    """
    from fsm.explore.pool_space import PoolSpace
    from fsm.models.model import is_model
    from fsm.models.model_space import ModelSpace

    if is_model(path):
        return ModelSpace(load_model(path, settings, without))
    return PoolSpace(load_system(path, settings, without))


def load_model(path: Path, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()) -> Model:
    """The model of a file; arguments and errors are those of `load_space`."""
    from fsm.models.model import Model

    model = Model.load(path)
    if without:
        raise SpecError(model.at, f"{model.name} is a model and has no clauses to switch off", "unknown-name")
    for name, value in settings:
        model = model.with_setting(name, value)
    return model


def load_system(path: Path, settings: Sequence[tuple[str, str]] = (), without: Sequence[str] = ()) -> System:
    """The system of a file; arguments and errors are those of `load_space`."""
    from fsm.explore.system import System
    from fsm.locate import is_machine

    system = System.alone(path) if is_machine(path) else System.load(path)
    for name, value in settings:
        system = system.with_setting(name, value)
    for clause in without:
        system = system.without(clause)
    return system
