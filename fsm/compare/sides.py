"""The two sides of a comparison: files and folders as they lie there, or as git has them in a revision.

`HEAD~1:specs/machines/election.yaml` is a file of a revision; `HEAD~1:specs` is a folder; the path is from the top of
the repository, or from here where it begins with `./`, as git itself takes it. A spec is a whole only with its folder
(ports, `state.yaml`, the other machines), so all specs of that folder in that revision are written into a temporary
folder, which is removed in the end. A message about one of them names it as it stands in git.

Only specs are taken from a revision: regular `*.yaml` files. The Python code of worlds is that which is installed.
"""

from __future__ import annotations

import os
import posixpath
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from attrs import frozen

from fsm.errors import Place, SpecError
from fsm.language.document import LARGEST

ROOMS = ("machines", "ports", "systems", "examples")
"""Folders whose folder is the one that belongs together."""
MOST_FILES = 1000
SECONDS = 60
"""Within which git answers."""
REMEDY = "a file or folder of specs, or one of a git revision, REV:PATH, as in HEAD~1:specs/machines/election.yaml"


@frozen
class Side:
    """One side.

    Arguments:
        said: what the user wrote.
        root: the folder whose specs belong together.
        path: the file, or `root` itself.
        revision: the part before the colon where it comes from git, else None.
    """

    said: str
    root: Path
    path: Path
    revision: str | None = None


@contextmanager
def sides(old: str, new: str) -> Iterator[tuple[Side, Side]]:
    """Both sides, while they are needed.

    Errors: `SpecError` where one is neither there nor in git; those raised inside name files of a revision as git does.
    """
    with ExitStack() as stack:
        found: list[Side] = []
        folders: dict[str, str] = {}
        try:
            for said in (old, new):
                if Path(said).exists():
                    found.append(_local(said))
                    continue
                revision, colon, path = said.partition(":")
                if not colon or not revision:
                    raise SpecError(Place(said), f"no such file; name {REMEDY}", "no-spec")
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fsm-diff-"))
                folders[folder] = revision
                found.append(_revised(said, revision, path, Path(folder)))
            yield found[0], found[1]
        except SpecError as error:
            raise SpecError(_named(error.place, folders), _unfold(error.message, folders), error.rule) from None


def _local(said: str) -> Side:
    path = Path(said)
    if path.is_dir():
        return Side(said, path, path)
    folder = path.resolve().parent
    return Side(said, folder.parent if folder.name in ROOMS else folder, path)


def _revised(said: str, revision: str, path: str, folder: Path) -> Side:
    """The side of a revision, written into an empty folder."""
    place = Place(said)
    commit = _git(place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        if _git(place, "rev-parse", "--git-dir") is None:
            raise SpecError(
                place, f"no such file, and no revision, for there is no git repository here; name {REMEDY}", "no-spec"
            )
        raise SpecError(place, f"git knows no revision {revision!r} here; name {REMEDY}", "no-spec")
    here = _git(place, "rev-parse", "--show-prefix") or ""
    inside = posixpath.normpath(posixpath.join(here if path.startswith(".") else "", path or "."))
    name = "" if inside == "." else inside
    kind = _git(place, "cat-file", "-t", f"{commit}:{name}")
    if kind not in ("blob", "tree"):
        near = posixpath.join(here, path)
        also = _git(place, "cat-file", "-t", f"{commit}:{near}") if here and not path.startswith(".") else None
        hint = f"; did you mean {revision}:./{path}?" if also else "; the path is from the top of the repository"
        raise SpecError(place, f"{revision} has no {path}{hint}", "no-spec")
    whole = PurePosixPath(name) if kind == "tree" else PurePosixPath(name).parent
    root = whole.parent if kind == "blob" and whole.name in ROOMS else whole
    _extract(place, commit, root, folder)
    return Side(said, folder / root, folder / name, revision)


def _extract(place: Place, commit: str, root: PurePosixPath, folder: Path) -> None:
    """Writes the specs of a folder of a commit below `folder`, at the same paths. Errors: `SpecError`."""
    under = [] if str(root) == "." else [f"{root}/"]
    listed = _git(place, "ls-tree", "-r", "-l", "-z", "--full-tree", commit, "--", *under) or ""
    wanted: list[tuple[str, PurePosixPath]] = []
    for entry in filter(None, listed.split("\0")):
        about, _, name = entry.partition("\t")
        mode, _, blob, size = about.split()
        path = PurePosixPath(name)
        depth = len(path.relative_to(root).parts)
        near = depth == 1 or (depth == 2 and path.parent.name in ROOMS)
        if mode.startswith("100") and path.suffix == ".yaml" and near and int(size) <= 4 * LARGEST:
            wanted.append((blob, path))
    if len(wanted) > MOST_FILES:
        raise SpecError(place, f"{len(wanted)} specs in one folder; name a folder of one set of specs", "too-large")
    (folder / root).mkdir(parents=True, exist_ok=True)
    for path, content in zip((path for _, path in wanted), _blobs(place, [blob for blob, _ in wanted]), strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _blobs(place: Place, names: Sequence[str]) -> Iterator[bytes]:
    """The contents of blobs, in one call of git."""
    said = _run(place, ["cat-file", "--batch"], "".join(f"{name}\n" for name in names).encode()).stdout
    for _ in names:
        head, _, said = said.partition(b"\n")
        size = int(head.split()[2])
        yield said[:size]
        said = said[size + 1 :]


def _git(place: Place, *words: str) -> str | None:
    """What git says, without the line end; None where its answer is no."""
    done = _run(place, words)
    return None if done.returncode else os.fsdecode(done.stdout).rstrip("\n")


def _run(place: Place, words: Sequence[str], said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Errors: `SpecError` where there is no git, or it does not answer."""
    try:
        return subprocess.run(["git", *words], input=said, capture_output=True, timeout=SECONDS, check=False)
    except FileNotFoundError:
        message = "no such file, and the program git, which would know a revision, is not installed"
    except subprocess.TimeoutExpired:
        message = f"git did not answer within {SECONDS} s"
    raise SpecError(place, message, "no-spec")


def _named(place: Place, folders: dict[str, str]) -> Place:
    """A place in a temporary folder as git names it."""
    return Place(_unfold(place.file, folders), place.line, place.column)


def _unfold(text: str, folders: dict[str, str]) -> str:
    for folder, revision in folders.items():
        for name in dict.fromkeys((os.path.realpath(folder), folder)):
            text = text.replace(f"{name}/", f"{revision}:")
    return text
