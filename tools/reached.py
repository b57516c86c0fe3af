"""Which story reaches each row, as tests/data/reached.yaml lists it: nothing is proved of a row that nobody comes to.

A row stands with the smallest story in which it fires. Rows that no story reaches are in specs/unreached.yaml, each
with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from fsm.compare.unreached import unreached
from fsm.language.document import read
from fsm.language.load import Library
from fsm.locate import specs
from tools.stories import Story, rewrite

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "reached.yaml"
Fired = Mapping[str, Set[str]]
"""Story -> the rows that fire in it."""


def rows() -> tuple[str, ...]:
    """The ids of all rows of the shipped machines, in the order of their files. Errors: `SpecError`."""
    library = Library(specs())
    return tuple(row.id for name in library.names() for row in library.machine(name).rows)


def excused() -> Set[str]:
    """The rows that specs/unreached.yaml lists. Errors: `SpecError`."""
    library = Library(specs())
    return {e.name for e in unreached(specs(), map(library.machine, library.names())).values() if e.kind == "row"}


def load(path: Path = FILE) -> Mapping[str, str]:
    """Row -> the story. Errors: `SpecError`."""
    listed = read(path, str(path)).plain()["reached"]
    return {row: entry["story"] for entry in listed for row in entry["rows"]}


def wrong(kept: Mapping[str, str], fired: Fired, whole: bool) -> Iterator[str]:
    """What is not as it is written down, a line each.

    Arguments:
        kept: row -> story, as written down.
        fired: what was explored now.
        whole: that is every story.
    """
    for row, story in kept.items():
        if row not in fired.get(story, {row}):
            yield f"{row} does not fire any more in {story}"
    if whole:
        known = set().union(*fired.values()) | excused()
        yield from (f"{row} is reached by no story, and is not in unreached.yaml" for row in rows() if row not in known)
    for name, of in fired.items():
        yield from (f"{row} is in unreached.yaml, and {name} reaches it" for row in of & excused())


def merged(kept: Mapping[str, str], fired: Fired, stories: Sequence[Story]) -> Mapping[str, str]:
    """Row -> the smallest story of those that are known to reach it.

    Arguments:
        kept: row -> story, as written down; of stories that were explored now it says nothing any more.
        fired: what was explored now.
        stories: all of them.
    """
    size = {story.name: (story.states, story.name) for story in stories}
    found: dict[str, str] = {}
    for row in rows():
        known = {name for name, of in fired.items() if row in of}
        known |= {kept[row]} - fired.keys() if row in kept else set()
        if reaching := sorted(known & size.keys(), key=size.__getitem__):
            found[row] = reaching[0]
    return found


def save(found: Mapping[str, str], stories: Sequence[Story], path: Path = FILE) -> None:
    """Write it down by story. Arguments: found: row -> story."""
    lines = []
    for story in stories:
        if of := [row for row, name in found.items() if name == story.name]:
            lines += [f'- story: "{story.name}"', f"  rows: [{', '.join(of)}]"]
    rewrite(path, "reached", lines)
