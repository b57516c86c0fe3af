"""The port `terms`: the order of two terms, for machines that only carry them. It remembers nothing."""

from __future__ import annotations

from attrs import define

from fsm import Operation, Signal
from fsm.drivers.adapters import Outcome
from hosts.rpc import as_term
from hosts.rpc.terms import MAX_TERM


@define(eq=False)
class TermsPort:
    """The order of terms. What came from another host and is no term counts as 0."""

    def read(self, operation: Operation) -> Outcome:
        """`compare` and `succeed`; the last term has no next one."""
        arguments = operation.arguments
        if operation.name == "succeed":
            return "number", {"term": min(as_term(arguments["term"]) + 1, MAX_TERM)}
        kept, heard = as_term(arguments["kept"]), as_term(arguments["heard"])
        if heard <= kept:
            return ("older" if heard < kept else "equal"), {"term": heard}
        return ("next" if heard == kept + 1 else "newer"), {"term": heard}

    async def perform(self, operation: Operation) -> Outcome:
        """Both are instant."""
        raise AssertionError(f"{operation.name} is instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of terms")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Numbers do not fail."""
        raise error
