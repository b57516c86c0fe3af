"""YAML 1.2 with a position for every value.

A spec is read into `Item`s: a value and the place where it stands, so that every later message can name it. What a
reviewer could overlook is refused: duplicate keys, anchors and aliases, explicit tags, documents that are too large
or too deep. YAML 1.2 because in 1.1 the key `on` is a boolean.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from fsm.errors import Place, SpecError

LARGEST = 1_000_000
"""Bytes of the largest document that is read; the largest shipped spec has about 20,000."""
DEEPEST = 12


@frozen
class Item:
    """A value of a document: a mapping of `Item`s, a list of `Item`s, or a scalar, and where it stands."""

    value: Any
    at: Place

    def fail(self, message: str, rule: str) -> SpecError:
        """The error `message` at this place, to be raised by the caller."""
        return SpecError(self.at, message, rule)

    def mapping(self, what: str, keys: Iterable[str] | None = None) -> Mapping[str, Item]:
        """The value as a mapping with no other keys than `keys` (None: any). Errors: `SpecError`."""
        if self.value is None and keys is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.fail(f"{what} must be a mapping, not {describe(self.value)}", "document-shape")
        if keys is not None:
            known = list(keys)
            for key, item in self.value.items():
                if key not in known:
                    raise item.fail(f"{what} has no key {key!r}{suggest(key, known)}", "unknown-key")
        return self.value

    def sequence(self, what: str) -> list[Item]:
        """The value as a list. Errors: `SpecError`."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            raise self.fail(f"{what} must be a list, not {describe(self.value)}", "document-shape")
        return self.value

    def text(self, what: str) -> str:
        """The value as a non-empty string. Errors: `SpecError`."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(f"{what} must be text, not {describe(self.value)}", "document-shape")
        return self.value

    def texts(self, what: str) -> list[Item]:
        """One text or a list of texts, each as an item. Errors: `SpecError`."""
        items = self.value if isinstance(self.value, list) else [self]
        for item in items:
            item.text(what)
        return items

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


def describe(value: object) -> str:
    """A value in the words of a YAML author."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"{value!r}"


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them where they are few."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it may be one of {', '.join(known)}" if 0 < len(known) <= 12 else ""


def read(path: Path, name: str | None = None) -> Item:
    """The document in a file.

    Arguments:
        path: the file.
        name: what messages call it; the path by default.
    Errors: `SpecError` for anything that is not one small, plain YAML document in UTF-8.
    """
    name = name or str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError(Place(name), f"cannot read it: {error.strerror}", "unreadable") from None
    try:
        return parse(raw.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise SpecError(Place(name), f"byte {error.start} is not UTF-8; save it as UTF-8", "unreadable") from None


def parse(text: str, name: str) -> Item:
    """The document in a text; `name` stands for the file in messages. Errors: `SpecError`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > LARGEST:
        raise SpecError(Place(name), f"{len(text)} characters; at most {LARGEST} are read", "too-large")
    yaml = YAML(typ="safe", pure=True)
    try:
        _refuse_sharing(yaml, text, name)
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        raise SpecError(place, f"not YAML: {error.problem or error.context}", "yaml") from None
    except (YAMLError, ValueError) as error:
        raise SpecError(Place(name), f"not YAML: {' '.join(str(error).split())}", "yaml") from None
    if node is None:
        raise SpecError(Place(name), "the document is empty", "document-shape")
    return _item(node, name)


def _refuse_sharing(yaml: Any, text: str, name: str) -> None:
    """One pass over the events, before anything is built: neither sharing (a bomb) nor depth nor tags get further."""
    from ruamel.yaml import events

    depth = 0
    for event in yaml.parse(text):
        place = Place(name, event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError(place, "anchors and aliases are not used here; write the value out", "yaml-sharing")
        if isinstance(event, events.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise SpecError(place, f"nested deeper than {DEEPEST}", "too-deep")
        elif isinstance(event, events.CollectionEndEvent):
            depth -= 1


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text, 0),
    "float": float,
    "str": str,
}


def _item(node: Any, name: str) -> Item:
    """A composed node as an `Item`; the YAML library has resolved the tags of scalars by the 1.2 rules."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    place = Place(name, node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, SequenceNode):
        return Item([_item(child, name) for child in node.value], place)
    if isinstance(node, MappingNode):
        entries: dict[str, Item] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            at = Place(name, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, ScalarNode):
                raise SpecError(at, "a key must be a plain name", "document-shape")
            if key in entries:
                raise SpecError(at, f"the key {key!r} stands here twice; keep one", "duplicate-key")
            entries[key] = _item(value_node, name)
        return Item(entries, place)
    kind = str(node.tag).rsplit(":", 1)[-1]
    if kind not in _SCALARS or not isinstance(node, ScalarNode):
        raise SpecError(place, f"the tag {node.tag} is not used here; write a plain value", "yaml-tag")
    try:
        return Item(_SCALARS[kind](node.value), place)
    except ValueError:
        raise SpecError(place, f"{node.value!r} is no plain {kind}; quote it if it is text", "yaml-tag") from None
