"""YAML 1.2 with a position for every value.

A spec is read into `Item`s: a value and the place where it stands, so that every later message can name it. What a
reviewer could overlook is refused: duplicate keys, anchors and aliases, explicit tags, documents that are too large
or too deep. YAML 1.2 because in 1.1 the key `on` is a boolean.

Nearly every spec is read by `fsm.language.plain_yaml`. The YAML library reads what that does not know, and words the
errors; it is slow, so it is given small documents only: what is refused is refused in a fraction of a second, whatever
it is.
"""

from __future__ import annotations

import difflib
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, frozen

from fsm.errors import Place, SpecError

LARGEST = 131_072
"""Characters of the largest document that is read, ten times the largest shipped spec."""
MOST = 12_000
"""Values and keys of a document; the largest shipped spec has about 900, a pool of 1000 VMs 11,000."""
LARGEST_ODD = 30_000
"""Characters of the largest document that is read although it is not plain; the library takes a second for 200,000."""
MOST_ODD = 4_000
"""Values and keys of such a document."""
DEEPEST = 12
NO_VALUE = "; write 'key: value', or if the comma before it belongs to a text, quote that text"
"""What is said of a key without a value: a bare comma in a flow mapping begins one, without a word."""
REMEDIES = {
    "'\\t'": "indent with spaces",
    "block end": "look at the indentation here, and for a missing '- '",
    "',' or": "close what is open, and quote a text that holds a comma, a colon, # or a bracket",
    "mapping values": "quote a text that holds a colon, and leave a blank after '-'",
    "expected ':'": "write 'key: value', and '- ' before each entry of a list",
}
"""What is said besides where the YAML library's own words hold such a part."""


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
        known = list(keys or ())
        if not isinstance(self.value, dict):
            remedy = f"its keys are {', '.join(known)}" if known else "write 'name: value' for each"
            raise self.fail(f"{what} must be a mapping, not {describe(self.value)}; {remedy}", "document-shape")
        for key, item in self.value.items() if keys is not None else ():
            if key not in known:
                remedy = NO_VALUE if item.value is None else suggest(key, known, most=20)
                raise item.fail(f"{what} has no key {key!r}{remedy}", "unknown-key")
        return self.value

    def sequence(self, what: str) -> list[Item]:
        """The value as a list. Errors: `SpecError`."""
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            remedy = f"write [{self.value}]" if isinstance(self.value, str) else "begin each entry with '- '"
            raise self.fail(f"{what} must be a list, not {describe(self.value)}; {remedy}", "document-shape")
        return self.value

    def text(self, what: str) -> str:
        """The value as a non-empty string. Errors: `SpecError`."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fail(f"{what} must be text, not {describe(self.value)}", "document-shape")
        return self.value

    def why(self) -> str:
        """The value as a reason. Errors: `SpecError`, where nothing is said by the rule `missing-why`."""
        if self.value is None or (isinstance(self.value, str) and not self.value.strip()):
            raise self.fail("'why' says nothing: it is a sentence that answers an operator's question", "missing-why")
        return self.text("why")

    def texts(self, what: str) -> list[Item]:
        """One text or a list of texts, each as an item. Errors: `SpecError`, also for a list of none."""
        items = self.value if isinstance(self.value, list) else [self]
        if not items:
            raise self.fail(f"{what} must be text or a list of texts, not an empty list", "document-shape")
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


def suggest(name: str, known: Iterable[str], most: int = 12) -> str:
    """The end of a message about an unknown name: the nearest known one, or all where there are at most `most`."""
    known = sorted(set(known))
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; it may be one of {', '.join(known)}" if 0 < len(known) <= most else ""


def regular(path: Path, name: str | None = None) -> None:
    """Looks before something is read to its end: a pipe would keep us waiting, a device has none.

    Arguments: as of `read`.
    Errors: `SpecError` (unreadable) for what is no file; `OSError`.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        kind = "a directory" if path.is_dir() else "no file of text"
        raise SpecError(Place(name or str(path)), f"cannot read it: it is {kind}", "unreadable")


def read(path: Path, name: str | None = None) -> Item:
    """The document in a file.

    Arguments:
        path: the file.
        name: what messages call it; the path by default.
    Errors: `SpecError` for anything that is not one small, plain YAML document in UTF-8.
    """
    name = name or str(path)
    try:
        regular(path, name)
        with path.open("rb") as file:
            raw = file.read(4 * LARGEST + 1)  # a character of UTF-8 has four bytes at most
    except OSError as error:
        raise SpecError(Place(name), f"cannot read it: {error.strerror}", "unreadable") from None
    if len(raw) > 4 * LARGEST:
        raise too_large(Place(name))
    try:
        return parse(raw.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise SpecError(Place(name), f"byte {error.start} is not UTF-8; save it as UTF-8", "unreadable") from None


def has_key(file: Path, key: str) -> bool:
    """Whether a file looks like a document with this key: it stands at the beginning of a line, with quotes or without.

    Nothing is parsed, so it is known of what is broken too. Errors: none; what cannot be read has no key."""
    try:
        regular(file)
        with file.open(encoding="utf-8", errors="replace") as text:
            return re.search(rf"^(['\"]?){key}\1\s*:", text.read(LARGEST), re.MULTILINE) is not None
    except (OSError, SpecError):
        return False


def parse(text: str, name: str) -> Item:
    """The document in a text; `name` stands for the file in messages. Errors: `SpecError`."""
    from fsm.language.plain_yaml import NotPlain, read_plain

    if len(text) > LARGEST:
        raise too_large(Place(name))
    try:
        return read_plain(text, name)
    except NotPlain as odd:
        if len(text) > LARGEST_ODD:
            raise not_plain(odd.place) from None
    return by_library(text, name)


def too_large(place: Place) -> SpecError:
    """The error of a document that is larger than any spec, at the place where that shows."""
    message = f"a document has at most {LARGEST} characters and {MOST} values; split this one"
    return SpecError(place, message, "too-large")


def not_plain(place: Place) -> SpecError:
    """The error of a document that is too large for what stands at a place."""
    message = f"a document of over {LARGEST_ODD} characters or {MOST_ODD} values is read only if it is plain YAML"
    remedy = "here look for a mistake, a tab, an escape, text over several lines, a missing value or line end"
    return SpecError(place, f"{message}; {remedy}", "too-large")


def too_deep(place: Place) -> SpecError:
    """The error of a value inside of too many others."""
    return SpecError(place, f"nested deeper than {DEEPEST}", "too-deep")


def twice(name: str, place: Place) -> SpecError:
    """The error of a key that a mapping has already."""
    return SpecError(place, f"the key {name!r} stands here twice; keep one", "duplicate-key")


def by_library(text: str, name: str) -> Item:
    """`parse` by the YAML library alone: the slow way, which knows all of YAML. Errors: `SpecError`."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        events = YAML(typ="safe", pure=True).parse(text)
        return _Reader(name, events).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(name, mark.line + 1, mark.column + 1) if mark else Place(name)
        said = str(error.problem or error.context)
        remedy = next((f"; {remedy}" for part, remedy in REMEDIES.items() if part in said), "")
        raise SpecError(place, f"not YAML: {said}{remedy}", "yaml") from None
    except (YAMLError, ValueError) as error:
        raise SpecError(Place(name), f"not YAML: {' '.join(str(error).split())}", "yaml") from None


_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TELLING = frozenset("~nNtTfF+-.0123456789")
"""What a plain scalar begins with that is no text."""
LONGEST_NUMBER = 40


def scalar(text: str) -> Any:
    """What a plain scalar means in the core schema of YAML 1.2. Errors: `ValueError` for an endless number."""
    if text and text[0] not in _TELLING:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    number = _INT.fullmatch(text) or _FLOAT.fullmatch(text)
    if number is None:
        return text
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} digits")
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


@define
class _Reader:
    """Builds `Item`s from the events of the YAML library in one pass: whatever is refused goes no further."""

    name: str
    events: Iterator[Any]
    depth: int = 0
    values: int = 0

    def document(self) -> Item:
        found: Item | None = None
        for event in self.events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent" and found is not None:
                raise SpecError(self.place(event), "a second document begins here; keep one a file", "document-shape")
            if kind not in ("StreamStartEvent", "DocumentStartEvent", "DocumentEndEvent", "StreamEndEvent"):
                found = self.item(event)
        if found is None or found.value is None:
            raise SpecError(Place(self.name), "the document is empty", "document-shape")
        return found

    def place(self, event: Any) -> Place:
        return Place(self.name, event.start_mark.line + 1, event.start_mark.column + 1)

    def item(self, event: Any) -> Item:
        """The value that begins with an event."""
        place, kind = self.place(event), type(event).__name__
        if kind == "AliasEvent" or event.anchor:
            raise SpecError(place, "anchors and aliases are not used here; write the value out", "yaml-sharing")
        if event.ctag is not None:
            raise SpecError(place, f"the tag {event.ctag} is not used here; write a plain value", "yaml-tag")
        self.values += 1
        if self.values > MOST_ODD:
            raise not_plain(place)
        if kind == "ScalarEvent":
            return Item(self.plain(event, place), place)
        self.depth += 1
        if self.depth > DEEPEST:
            raise too_deep(place)
        value: Any = self.sequence() if kind == "SequenceStartEvent" else self.mapping()
        self.depth -= 1
        return Item(value, place)

    def plain(self, event: Any, place: Place) -> Any:
        try:
            return scalar(event.value) if event.style is None else event.value
        except ValueError as error:
            raise SpecError(place, f"{error}; quote it if it is text", "document-shape") from None

    def sequence(self) -> list[Item]:
        items: list[Item] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            items.append(self.item(event))
        return items

    def mapping(self) -> dict[str, Item]:
        entries: dict[str, Item] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = self.item(event)
            if isinstance(key.value, dict | list):
                raise key.fail("a key must be a plain name", "document-shape")
            name = str(event.value)
            if name in entries:
                raise twice(name, key.at)
            entries[name] = self.item(next(self.events))
        return entries
