"""Two sides compared: which specs belong to them, what is different in each, and on which space behaviour is compared.

A folder is all its specs, a system itself with its machines, their ports and `state.yaml`, anything else itself. A
machine alone has no behaviour; on a system that is named it has: both versions of the machine stand in one and the same
folder then, so that what differs comes from the machine. Where nothing but a `why` differs, nothing is explored. Of
folders the models that differ are explored at once; systems are only named, for they may take minutes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from fsm.compare.behaviour import Behaviour
from fsm.compare.changes import ADDED, CHANGED, REMOVED, WHY, Change, changes, of_document, of_machine
from fsm.compare.painted import painted
from fsm.compare.sides import ROOMS, Side
from fsm.errors import Place, SpecError
from fsm.language.document import Item, read, suggest
from fsm.language.load import Library
from fsm.language.spec import Machine
from fsm.locate import located, specs
from fsm.pictures.picture import Picture

KINDS = ("machine", "system", "model", "port", "unreached")
SHARED = "what machines share"
SPACES = ("systems", "examples")
Compare = Callable[[Path, Path], Behaviour]


@frozen
class Compared:
    """One spec that differs.

    Arguments:
        kind, name: what it is.
        sign: changed, or added or removed as a whole.
        changes: what is different in it; none where all of it is added or removed.
        picture: of a machine that changed.
    """

    kind: str
    name: str
    sign: str
    changes: tuple[Change, ...] = ()
    picture: Picture | None = None


@frozen
class Diff:
    """A whole comparison.

    Arguments:
        behaviours: of the systems and models that were compared.
        revised: one of them is that of machines from git in a world whose code is that which is installed.
        untried: systems of both folders whose behaviour may be another, which was not compared.
    """

    old: str
    new: str
    specs: tuple[Compared, ...]
    behaviours: tuple[Behaviour, ...]
    revised: bool
    untried: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: no difference; 1: there are some; 2: none was found, but a search was cut short."""
        if self.specs or any(behaviour.differs for behaviour in self.behaviours):
            return 1
        return 0 if all(behaviour.known for behaviour in self.behaviours) else 2


def diff(old: Side, new: Side, system: str | None, compare: Compare) -> Diff:
    """Compares two sides.

    Arguments:
        system: the name of the system or model on which behaviour is compared, where the sides are no such files.
        compare: compares the behaviour of two files.
    Errors: `SpecError`.
    """
    found = tuple(_compared(old, new))
    moving = [one for one in found if _behaves(one)]
    if system is None and old.path.is_dir() and new.path.is_dir():
        models, untried = _inside(old, new, moving)
        return Diff(old.said, new.said, found, tuple(compare(*files) for files in models), False, untried)
    behaviours, revised = tuple[Behaviour, ...](), False
    with _spaces(old, new, system) as files:
        if files is not None and moving:
            behaviours = (compare(*files),)
            revised = (old.revision or new.revision) is not None and kind_of(read(files[1])) == "system"
    return Diff(old.said, new.said, found, behaviours, revised)


def _behaves(one: Compared) -> bool:
    """Whether what is different in a spec may be another behaviour."""
    parts = [name for change in one.changes for name, _, _ in change.parts]
    return one.sign != CHANGED or any(change.sign != CHANGED for change in one.changes) or set(parts) != {WHY}


def _inside(old: Side, new: Side, moving: Sequence[Compared]) -> tuple[Sequence[tuple[Path, Path]], tuple[str, ...]]:
    """The models of both folders that differ, and the systems of both that what differs belongs to."""
    was, now = _documents(old), _documents(new)
    touched = {(one.kind, one.name) for one in moving}
    models, systems = list[tuple[Path, Path]](), list[str]()
    for key, path in now.items() if touched else ():
        kind = kind_of(read(path))
        if key in was and kind == "model" and (kind, path.stem) in touched:
            models.append((was[key], path))
        if key in was and kind == "system" and any(part in touched for part in _parts(new, path)):
            systems.append(path.stem)
    return models, tuple(systems)


def _parts(side: Side, system: Path) -> Sequence[tuple[str, str]]:
    """Kind and name of all that a system of a folder is made of; nothing of one that does not load."""
    try:
        return [(kind_of(read(path)), path.stem) for path in _documents(Side(side.said, side.root, system)).values()]
    except SpecError:
        return ()


def kind_of(document: Item) -> str:
    """What a document is. Errors: `SpecError`."""
    top = document.mapping("a spec")
    return next((kind for kind in KINDS if kind in top), SHARED)


def _compared(old: Side, new: Side) -> Iterator[Compared]:
    """The specs of two sides that differ."""
    was, now = _documents(old), _documents(new)
    for key in dict.fromkeys((*now, *was)):
        before, after = was.get(key), now.get(key)
        shown = after or before
        assert shown is not None  # one of them has it
        kind, name = kind_of(read(shown)), shown.stem
        if before is None or after is None:
            yield Compared(kind, name, ADDED if before is None else REMOVED)
            continue
        if kind_of(read(before)) != kind:
            message = f"this is a {kind}, and {old.said} a {kind_of(read(before))}; name two of one kind"
            raise SpecError(Place(new.said), message, "no-spec")
        found, picture = _changes(kind, before, after)
        if found:
            yield Compared(kind, name, CHANGED, found, picture)


def _changes(kind: str, before: Path, after: Path) -> tuple[tuple[Change, ...], Picture | None]:
    if kind != "machine":
        return changes(of_document(read(before)), of_document(read(after))), None
    old, new = _machine(before), _machine(after)
    found = changes(of_machine(old), of_machine(new))
    return found, painted(old, new, found) if found else None


def _machine(path: Path) -> Machine:
    root, names = located(path)
    return Library(root).machine(names[0])


def _documents(side: Side) -> Mapping[str, Path]:
    """The specs of a side by what they are for it: the one that was named is ""."""
    if side.path.is_dir():
        files = [*side.root.glob("*.yaml"), *(file for room in ROOMS for file in (side.root / room).glob("*.yaml"))]
        said = {str(file.relative_to(side.root)): file for file in sorted(files) if _is_spec(file)}
        if not said:
            raise SpecError(Place(side.said), "no specs in this folder; name one with machines/ in it", "no-spec")
        return said
    document = read(side.path)
    if kind_of(document) != "system":
        return {"": side.path}
    library = Library(side.root)
    items = document.mapping("a system").get("machines")
    names = [item.text("a machine") for item in items.sequence("machines")] if items else []
    ports = [port for name in names for port in library.machine(name).ports]
    rooms = [*(f"machines/{name}.yaml" for name in names), *(f"ports/{port}.yaml" for port in dict.fromkeys(ports))]
    return {"": side.path, **{room: side.root / room for room in (*rooms, "state.yaml") if library.has(room)}}


def _is_spec(file: Path) -> bool:
    top = read(file)
    return isinstance(top.value, dict) and "language" in top.value


@contextmanager
def _spaces(old: Side, new: Side, system: str | None) -> Iterator[tuple[Path, Path] | None]:
    """The two files whose behaviour is compared, while they are needed; None where there are none.

    Errors: `SpecError` for a system that there is not."""
    folders = old.path.is_dir() and new.path.is_dir()
    kind = None if new.path.is_dir() else kind_of(read(new.path))
    if system is None:
        yield (old.path, new.path) if kind in ("system", "model") else None
    elif folders:
        yield _space(old.root, system), _space(new.root, system)
    elif kind == "machine":
        with _on_one_folder(old, new, system) as files:
            yield files
    else:
        message = "--system is for folders and machines; a system or model is compared on itself"
        raise SpecError(Place("--system"), message, "usage")


def _space(root: Path, name: str) -> Path:
    files = {path.stem: path for room in SPACES for path in sorted((root / room).glob("*.yaml"))}
    if name not in files:
        raise SpecError(
            Place(str(root)), f"there is no system or model {name!r} in it{suggest(name, files)}", "no-system"
        )
    return files[name]


@contextmanager
def _on_one_folder(old: Side, new: Side, system: str) -> Iterator[tuple[Path, Path]]:
    """A system, with either version of the machine: of the folder of NEW, or the shipped one of that name."""
    base = new.root if (new.root / "systems" / f"{system}.yaml").is_file() else specs()
    _space(base, system)
    with tempfile.TemporaryDirectory(prefix="fsm-diff-") as folder:
        files: list[Path] = []
        for side, name in ((old, "old"), (new, "new")):
            root = Path(folder) / name
            for file in (*base.glob("*.yaml"), *(file for room in ROOMS for file in (base / room).glob("*.yaml"))):
                target = root / file.relative_to(base)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
            shutil.copyfile(side.path, root / "machines" / side.path.name)
            files.append(root / "systems" / f"{system}.yaml")
        try:
            yield files[0], files[1]
        except SpecError as error:
            raise _as_said(error, Path(folder), base, (old, new)) from None


def _as_said(error: SpecError, folder: Path, base: Path, both: Sequence[Side]) -> SpecError:
    """An error of a copied folder, at the place that the user knows."""
    file = Path(error.place.file)
    if not file.is_relative_to(folder):
        return error
    version, *inside = file.relative_to(folder).parts
    side = both[version == "new"]
    mine = inside == ["machines", side.path.name]
    place = Place(side.said if mine else str(base.joinpath(*inside)), error.place.line, error.place.column)
    why = f"{side.said} does not fit with the specs of {base}: " if mine else f"with {side.said}: "
    return SpecError(place, why + error.message, error.rule)
