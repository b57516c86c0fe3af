"""What a spec can have wrong, and where: every message of the loader and the checks is a `SpecError`. What a node is
given besides its specs (its index, variables that survived) can be wrong too: `BadValues`."""

from __future__ import annotations

from attrs import frozen


@frozen(order=True)
class Place:
    """A position in a spec: file name as given, line and column counted from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def printable(message: str) -> str:
    """A message on one line. It may quote what came from outside, so line ends, escape sequences of a terminal and
    whatever else is not printable come out as Python writes them."""
    return message if message.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message)


class BadValues(ValueError):
    """Values from outside that a node cannot have; the message is one line that names variable, value and domain."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class SpecError(Exception):
    """A spec that cannot be used.

    `str()` of it is one line, `file:line:column: what is wrong, and what would be right [rule-id]`, so that a
    program may show it as it is and an editor may jump to it.

    Arguments:
        place: where in the file.
        message: what is wrong and what would be right, one sentence, which is made `printable`.
        rule: the id of the broken rule, lower case with dashes.
    """

    def __init__(self, place: Place, message: str, rule: str) -> None:
        super().__init__(place, message, rule)
        self.place = place
        self.message = printable(message)
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.place}: {self.message} [{self.rule}]"
