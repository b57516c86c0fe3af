"""Python source for types: names, annotations, `Literal`s, payloads and heads of functions.

Whatever is written here the formatter leaves alone at any line length from `WIDTH` on: a line that would be longer has
one entry a line, with the comma at the end that keeps it so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from fsm.drivers.port_methods import python_name
from fsm.language.domains import Domain
from fsm.language.spec import Fields

WIDTH = 88
"""Characters of the longest line: no formatter has a shorter one by default."""


def camel(*names: str) -> str:
    """`set_init` as `SetInit`."""
    return "".join(part[:1].upper() + part[1:] for name in names for part in re.split(r"[_.]", name))


def annotation(domain: Domain) -> str:
    """The Python type of the values of a domain."""
    if domain.kind == "enum":
        return f"Literal[{', '.join(quoted(member) for member in sorted(domain.members))}]"
    name = {"bool": "bool", "int": "int", "host": "int", "hosts": "frozenset[int]"}.get(domain.kind, "Any")
    return f"{name} | None" if domain.optional else name


def quoted(text: str) -> str:
    """A string as a formatter writes it."""
    return json.dumps(text, ensure_ascii=False)


def entry(line: str, indent: str) -> str:
    """`name: type`, a long enumeration with one member a line; without the end of the line."""
    if len(indent + line) < WIDTH or '", "' not in line:
        return indent + line
    name, _, members = line.removesuffix("]").partition("Literal[")
    inner = "".join(f"{indent}    {member},\n" for member in members.split(", "))
    return f"{indent}{name}Literal[\n{inner}{indent}]"


def literal(name: str, members: Iterable[str]) -> str:
    """A `Literal`, one member a line."""
    said = [quoted(member) for member in sorted(members)]
    if len(said) == 1:
        return f"{name} = Literal[{said[0]}]\n"
    return "\n".join([f"{name} = Literal[", *(f"    {member}," for member in said), "]\n"])


def union(name: str, members: Iterable[str]) -> str:
    """A union, one member a line."""
    first, *others = sorted(members)
    if not others:
        return f"{name} = {first}\n"
    lines = "".join(f"    | {other}\n" for other in others)
    return f"{name} = (\n    {first}\n{lines})  # fmt: skip\n"


def payload(name: str, fields: Fields, what: str) -> str:
    """The type of a payload."""
    if any(python_name(key) != key for key in fields):
        lines = "".join(entry(f"{quoted(key)}: {annotation(fields[key])}", " " * 8) + ",\n" for key in sorted(fields))
        return f'{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)\n'
    lines = "".join(entry(f"{key}: {annotation(fields[key])}", " " * 4) + "\n" for key in sorted(fields))
    return f'class {name}(TypedDict):\n    """What {what} carries."""\n\n{lines}'


def signature(
    name: str, receiver: str, fields: Fields, returned: str, what: str, first: Sequence[str] = (), start: str = ""
) -> str:
    """A method that takes fields as keywords, with its docstring."""
    arguments = {python_name(key): annotation(fields[key]) for key in sorted(fields)}
    return define(name, [receiver, *first], arguments, returned, what, "    ", start=start)


def define(
    name: str,
    first: Sequence[str],
    arguments: Mapping[str, str],
    returned: str,
    what: str,
    indent: str,
    *,
    keywords: bool = True,
    start: str = "",
) -> str:
    """A function's head and docstring: on one line, or where that is too long with one argument a line. Without `what`
    there is no docstring but an ellipsis, as overloads have it."""
    words = [*first, *(["*"] if keywords and arguments else []), *(f"{key}: {said}" for key, said in arguments.items())]
    line = f"{indent}{start}def {name}({', '.join(words)}) -> {returned}:"
    end = f'\n{indent}    """{what}"""\n' if what else " ...\n"
    if len(line) + (0 if what else len(end)) > WIDTH:
        lines = "".join(entry(word, indent + "    ") + ",\n" for word in words)
        line = f"{indent}{start}def {name}(\n{lines}{indent}) -> {returned}:"
    return line + end
