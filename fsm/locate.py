"""Where the specs are: the one place that knows how liveset may be installed.

A wheel carries them inside the engine's package, as `fsm/_specs`; a checkout, and an editable install of one,
has them beside the packages, as `specs`. The wheel's place is looked at first: beside an installed package
lies `site-packages`, where a directory called `specs` could be anybody's.

Left out: an import from a zip file. Specs are read by path, so that a message can name a file that exists.
"""

from __future__ import annotations

from pathlib import Path

from fsm.errors import Place, SpecError
from fsm.language.document import has_key
from fsm.language.load import Library

EXPLORABLE = ("systems", "examples")
"""Where in a folder of specs systems and models lie."""


def specs() -> Path:
    """Find the directory that holds `machines/`, `ports/`, `systems/` and `state.yaml`.

    Returns:
        An absolute path; the same files from a wheel, an editable install and a plain checkout.

    Raises:
        SpecError: neither place has them, so the installation is not whole (rule `specs-missing`).
    """
    package = Path(__file__).resolve().parent
    installed, checkout = package / "_specs", package.parent / "specs"
    for directory in (installed, checkout):
        if (directory / "machines").is_dir():
            return directory
    raise SpecError(
        Place(str(installed)),
        f"no specs here nor in {checkout}: reinstall liveset, or run it from a whole checkout",
        "specs-missing",
    )


def explorable(root: Path) -> dict[str, Path]:
    """The systems and models of a folder of specs by their names; a model's number may be left out."""
    files = {path.stem: path for folder in EXPLORABLE for path in sorted((root / folder).glob("*.yaml"))}
    return files | {stem.partition("-")[2]: path for stem, path in files.items() if stem[:1].isdigit()}


def located(path: Path) -> tuple[Path, list[str]]:
    """The folder of specs and the names of the machines that a path means.

    A machine's file lies in `machines/` of its folder, or in the folder itself where that has none.

    Errors: `SpecError` where it is neither a folder with machines nor such a file."""
    if path.is_dir() and (path / "machines").is_dir():
        return path, Library(path).names()
    if path.is_dir() and (names := [file.stem for file in sorted(path.glob("*.yaml")) if is_machine(file)]):
        return path, names
    if path.suffix == ".yaml" and path.is_file():
        if path.parent.resolve().name == "machines":
            return path.parent.parent if path.parent.name else path.resolve().parent.parent, [path.stem]
        if not (path.parent / "machines").is_dir():
            return path.parent, [path.stem]
    message = "no such file" if not path.exists() else "no folder with machines in it, and no file of a machine"
    raise SpecError(Place(str(path)), f"{message}; name a specs folder or a machine's NAME.yaml", "no-spec")


def is_machine(file: Path) -> bool:
    """Whether a file in a folder of other things looks like a machine: it says so in a line of its own."""
    return has_key(file, "machine")
