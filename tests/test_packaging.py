"""liveset away from its checkout: sdist, wheel built from the sdist, fresh and editable installs.

Nothing here needs a network: the build runs without isolation, and the fresh environments see the
dependencies of the running one through a .pth file. Such a file adds one directory and is not followed
further, so that an editable liveset in the running environment stays unseen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import fsm
from fsm import locate
from fsm.errors import SpecError

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# One worker builds, once.
pytestmark = pytest.mark.xdist_group("packaging")

# What an installation says of itself, from a directory that has nothing to do with it.
ASK = """
import json, pathlib, fsm, fsm.locate, hosts
from importlib.metadata import version
specs = fsm.locate.specs()
print(json.dumps({
    "fsm": fsm.__file__,
    "hosts": hosts.__file__,
    "specs": str(specs),
    "files": sorted(str(p.relative_to(specs)) for p in specs.rglob("*") if p.is_file()),
    "version": [fsm.__version__, version("liveset")],
    "typed": [pathlib.Path(m.__file__).with_name("py.typed").is_file() for m in (fsm, hosts)],
}))
"""


def _run(command: Sequence[str | Path], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _environment(path: Path) -> Path:
    """Make an environment with this one's dependencies but not its liveset, and answer its interpreter."""
    venv.create(path, symlinks=True, with_pip=False)
    packages = path / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.joinpath("dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return path / "bin" / "python"


def _install(python: Path, cwd: Path, *what: str | Path) -> None:
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    _run([*pip, "--disable-pip-version-check", "--no-build-isolation", "--ignore-installed", *what], cwd)


def _ask(python: Path, cwd: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(_run([python, "-I", "-c", ASK], cwd))
    return answer


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist and the wheel that was built from it."""
    directory = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", directory, ROOT], directory)
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return {"sdist": sdist, "wheel": wheel}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment into which the wheel was installed."""
    directory = tmp_path_factory.mktemp("wheel")
    python = _environment(directory / "venv")
    _install(python, directory, built["wheel"])
    return python


def _members(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {str(PurePosixPath(*PurePosixPath(m.name).parts[1:])) for m in archive if m.isfile()}


def test_the_sdist_is_the_whole_project(built: dict[str, Path]) -> None:
    """Whoever has the sdist can test and build: sources, specs, tests, tools and the licence are in it."""
    members = _members(built["sdist"])
    wanted = {
        "LICENSE",
        "Makefile",
        "CHANGELOG.md",
        "fsm/py.typed",
        "hosts/py.typed",
        "tools/bench",
        ".ci/run",
    }
    assert wanted | {"tests/test_packaging.py"} <= members
    assert any(name.startswith("specs/machines/") for name in members)
    assert not {name for name in members if ".venv" in name or "__pycache__" in name}


def test_the_wheel_has_exactly_two_names(built: dict[str, Path]) -> None:
    """`fsm` and `hosts`, nothing else at the top: no tests, no tools, no specs beside them."""
    with zipfile.ZipFile(built["wheel"]) as wheel:
        tops = {name.partition("/")[0] for name in wheel.namelist()}
    metadata = f"liveset-{fsm.__version__}.dist-info"
    assert tops == {"fsm", "hosts", metadata}


def test_the_wheel_carries_every_spec_of_the_sdist(built: dict[str, Path], installed: Path) -> None:
    """The wheel is made from the sdist, and no spec is lost on the way."""
    prefix = "specs/"
    specs = sorted(name.removeprefix(prefix) for name in _members(built["sdist"]) if name.startswith(prefix))
    assert _ask(installed, installed.parent)["files"] == specs


def test_an_installed_wheel_needs_no_checkout(installed: Path, tmp_path: Path) -> None:
    """Both packages, their types, their version and the specs come from the environment itself."""
    answer = _ask(installed, tmp_path)
    home = installed.parent.parent
    for place in (answer["fsm"], answer["hosts"], answer["specs"]):
        assert Path(place).is_relative_to(home)
    assert Path(answer["specs"]) == Path(answer["fsm"]).parent / "_specs"
    assert answer["version"] == [fsm.__version__] * 2
    assert answer["typed"] == [True, True]


@pytest.mark.parametrize(("script", "target"), sorted(PROJECT["scripts"].items()))
def test_a_console_script_is_installed_and_answers(installed: Path, tmp_path: Path, script: str, target: str) -> None:
    """`fsm --help` and `liveset --help` exit with 0 and show how they are used."""
    assert installed.with_name(script).is_file()
    if not (ROOT / target.partition(":")[0].replace(".", "/")).with_suffix(".py").is_file():
        pytest.skip(f"{target} is not written yet")
    assert script in _run([installed.with_name(script), "--help"], tmp_path)


def test_an_editable_install_finds_the_specs_of_the_checkout(tmp_path: Path) -> None:
    """What is edited is what runs: packages and specs are the checkout's own."""
    python = _environment(tmp_path / "venv")
    _install(python, tmp_path, "--editable", ROOT)
    answer = _ask(python, tmp_path)
    assert Path(answer["fsm"]) == ROOT / "fsm" / "__init__.py"
    assert Path(answer["hosts"]) == ROOT / "hosts" / "__init__.py"
    assert Path(answer["specs"]) == ROOT / "specs"
    assert all(python.with_name(script).is_file() for script in PROJECT["scripts"])


def test_a_plain_checkout_finds_its_specs() -> None:
    """Nothing is installed: the specs are those beside the packages."""
    assert locate.specs() == ROOT / "specs"


def test_an_installation_without_specs_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the missing directory and the remedy; a stranger's `specs` does not count."""
    tmp_path.joinpath("specs").mkdir()
    monkeypatch.setattr(locate, "__file__", str(tmp_path / "fsm" / "locate.py"))
    with pytest.raises(SpecError, match=r"_specs:1:1: no specs here nor in .*: reinstall .*\[specs-missing\]$"):
        locate.specs()


# An interpreter that notes how it is called and makes what `-m venv` would have made.
STUB = """#!/bin/sh
echo "$*" >>"$(dirname "$0")/calls"
case "$*" in *" venv "*) mkdir -p .venv/bin; cp "$0" .venv/bin/python ;; esac
"""


def _make(directory: Path, python: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["make", "-C", str(directory), ".venv/.installed", f"PYTHON={python}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A directory with what `make` needs for the installation, and no .venv."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_make_installs_once_and_again_when_the_project_changes(bare: Path) -> None:
    """The second run calls no interpreter; a changed pyproject.toml installs into the same .venv."""
    stub, calls, project = bare / "python", bare / "calls", bare / "pyproject.toml"
    stub.write_text(STUB, encoding="utf-8")
    stub.chmod(0o755)
    seen = []
    for age in (60, 60, -60):
        changed = time.time() - age
        os.utime(project, (changed, changed))
        assert _make(bare, stub).returncode == 0
        said = calls.read_text(encoding="utf-8")
        seen.append((said.count("-m venv"), said.count(" install ")))
    assert seen == [(1, 1), (1, 1), (1, 2)]


def test_make_says_which_python_it_needs(bare: Path) -> None:
    """An interpreter that is too old is refused with the remedy before anything is made."""
    run = _make(bare, "false")
    assert run.returncode == 2
    assert "liveset needs Python 3.11 or later and false is not: say which" in run.stderr
    assert not bare.joinpath(".venv").exists()
