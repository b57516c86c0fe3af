"""Whether adapters fit the ports of a node, asked before anything runs.

An adapter's exception becomes an outcome that its port declares. That is for what happens to a real adapter; a method
that is misspelt would be one too, for ever, and look like a lock that is stuck. So what can be seen at the start is
refused at the start: a port without adapter, and an adapter without a method that some row or effect needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import iscoroutinefunction

from fsm.drivers.port_methods import AsyncMethods, Methods, method_name, python_name
from fsm.engine.node import Node
from fsm.language.spec import Do, Machine, Port


def check_adapters(node: Node, adapters: Mapping[str, object]) -> None:
    """Errors: `ValueError`, one line that names the port and what is missing."""
    ports = {port.name: port for machine in node.machines for port in machine.ports.values()}
    # a program may have one set of adapters for all its nodes, so there may be more of them than ports
    missing = sorted(name for name, port in ports.items() if name not in adapters and any(_needed(node, port, None)))
    if missing:
        raise ValueError(f"no adapter for {', '.join(missing)}")
    for name, adapter in adapters.items():
        needed = dict.fromkeys(_needed(node, ports[name], adapter)) if name in ports else {}
        held = adapter.port if isinstance(adapter, Methods | AsyncMethods) else adapter
        lacking = [method for method, _ in needed if not callable(getattr(held, method, None))]
        if lacking:
            raise ValueError(f"the adapter of {name} has no {', '.join(lacking)}{_remedy(held, ports[name])}")
        for method, within in needed:
            if within and iscoroutinefunction(getattr(held, method)):
                raise ValueError(f"{method} of the adapter of {name} is called within a turn; make it no `async def`")


def _needed(node: Node, port: Port, adapter: object) -> Iterator[tuple[str, bool]]:
    """The methods that a port's adapter needs, and whether each is called within a turn, where nothing is awaited."""
    by_name = isinstance(adapter, Methods | AsyncMethods)
    for machine in node.machines:
        for do in _started(machine, port):
            instant = port.operations[do.operation].instant
            raw = "read" if instant else "perform"
            yield method_name(do.operation, do.joined) if by_name else raw, instant or isinstance(adapter, Methods)
            yield "failure", True
        for signal in _said(machine, port):
            yield python_name(signal) if by_name else "signal", True


def _started(machine: Machine, port: Port) -> Iterator[Do]:
    return (row.do for row in machine.rows if row.do is not None and row.do.port == port.name)


def _said(machine: Machine, port: Port) -> Iterator[str]:
    hooks = (*machine.enter.values(), *machine.exit.values())
    told = [tell for told in (*(row.tell for row in machine.rows), *(hook.tell for hook in hooks)) for tell in told]
    return (tell.name for tell in told if tell.signal and tell.target == port.name)


def _remedy(held: object, port: Port) -> str:
    """What to do about it: an object with the port's own names is not wrapped yet."""
    named = [name for name in (*port.operations, *port.signals) if callable(getattr(held, python_name(name), None))]
    wrapped = not hasattr(held, "perform") and not hasattr(held, "signal") and bool(named)
    return "; wrap it in Methods(…), or AsyncMethods(…) in an asyncio program" if wrapped else ""
