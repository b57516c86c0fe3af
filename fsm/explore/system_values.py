"""Values of a system as a file and a command line write them: numbers of hosts, budgets, settings, beginnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fsm.language.document import Item

MOST_HOSTS = 8
LARGEST_BUDGET = 1000


def scalar(text: str) -> int | bool | str | None:
    """A value from a command line, as YAML would read it."""
    if text.isascii() and text.isdigit():
        return int(text)
    return {"true": True, "false": False, "null": None}.get(text, text)


def with_value(settings: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """Settings with one of them changed; what lies on the way and is no mapping is replaced by one."""
    inner = settings.get(path[0])
    deeper = with_value(inner if isinstance(inner, Mapping) else {}, path[1:], value) if path[1:] else value
    return {**settings, path[0]: deeper}


def with_begun(item: Item | None, name: str, value: Item) -> Item:
    """Initial variables with one of them changed, on every host where each has its own."""
    if item is not None and isinstance(item.value, list):
        return Item([with_begun(entry, name, value) for entry in item.value], item.at)
    entries = item.mapping("initial variables") if item is not None else {}
    return Item({**entries, name: value}, item.at if item is not None else value.at)


def read_hosts(item: Item) -> int:
    """How many hosts a pool has. Errors: `SpecError`."""
    if type(item.value) is not int or not 1 <= item.value <= MOST_HOSTS:
        raise item.fail(f"hosts is a number from 1 to {MOST_HOSTS}, not {item.value!r}", "bad-value")
    return item.value


def read_budget(name: str, item: Item) -> int | None:
    """How often something may happen; None is any number of times, and is not counted."""
    if item.value == "any":
        return None
    if type(item.value) is not int or not 0 <= item.value <= LARGEST_BUDGET:
        raise item.fail(
            f"{name}: a budget is 'any' or a number up to {LARGEST_BUDGET}, not {item.value!r}", "bad-value"
        )
    return item.value
