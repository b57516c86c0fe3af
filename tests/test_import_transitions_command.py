"""`fsm import-transitions`: what it prints, what it writes, and what it says of what it cannot have."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsm.cli import main
from fsm.language.load import Library

SHOP = """\
from transitions import Machine

class Order:
    def __init__(self):
        self.machine = Machine(self, states=["open", "paid"], initial="open", auto_transitions=False)
        self.machine.add_transition("pay", "open", "paid", conditions="solvent", after="thank")

class Fussy:
    def __init__(self, customer):
        pass

class Broken:
    def __init__(self):
        raise TypeError("no")

class Two(Order):
    def __init__(self):
        super().__init__()
        self.other = Machine(None, states=["x"], initial="x")

class Plain(Machine):
    def __init__(self):
        super().__init__(states=["x", "y"], initial="x", transitions=[["flip", "x", "y"]])

class Chatty(Plain):
    def __init__(self):
        print("what foreign code says")
        super().__init__()

order = Order()
number = 5
parallel = __import__("transitions.extensions").extensions.HierarchicalMachine(
    None, states=[{"name": "p", "parallel": ["a", "b"]}], initial="p")
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current folder; it is forgotten afterwards."""
    (tmp_path / "a_shop_to_import.py").write_text(SHOP, "utf-8")
    (tmp_path / "an_exit_to_import.py").write_text("import sys\nsys.exit('not\\ntoday')", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    yield "a_shop_to_import"
    for name in ("a_shop_to_import", "an_exit_to_import"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("named", ["Order", "order", "order.machine"])
def test_the_command_prints_what_loads(shop: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model's class, a model and its machine give one spec, named after it; the account goes to stderr."""
    assert main(["import-transitions", f"{shop}:{named}"]) == 0
    out, err = capsys.readouterr()
    documents = dict(part.split("\n", 1) for part in out.split("# ") if part)
    assert Library.of(documents).machine("order").states == ("open", "paid")
    assert "conditions solvent (pay from open to paid): now the payload field pay.solvent" in err
    assert "after thank (pay from open to paid): now the signal order_callbacks.thank" in err


def test_the_command_writes_a_folder_once(shop: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With -o a folder of specs, which is never overwritten."""
    assert main(["import-transitions", f"{shop}:Order", "-o", "specs"]) == 0
    machine = Library(tmp_path / "specs").machine("order")
    assert [row.id for row in machine.rows] == ["order.open/pay", "order.open/pay/else"]
    written = (tmp_path / "specs/machines/order.yaml").read_text("utf-8")
    capsys.readouterr()
    assert main(["import-transitions", f"{shop}:order", "-o", "specs"]) == 2
    assert "specs/machines/order.yaml" in capsys.readouterr().err
    assert (tmp_path / "specs/machines/order.yaml").read_text("utf-8") == written


def test_the_command_answers_a_program(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the documents and the account, and nothing on stderr."""
    assert main(["import-transitions", f"{shop}:Plain", "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert list(answer["documents"]) == ["machines/plain.yaml"]
    assert answer["callbacks"] == []
    assert answer["events"] == {"flip": "flip"}
    assert err == ""


def test_what_foreign_code_prints_is_no_part_of_the_answer(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the JSON as it stands, a person sees the rest."""
    assert main(["import-transitions", f"{shop}:Chatty", "--json"]) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)["documents"]) == ["machines/chatty.yaml"]
    assert err == "what foreign code says\n"


@pytest.mark.parametrize(
    ("named", "code", "message"),
    [
        ("{shop}", 2, "is not MODULE:OBJECT"),
        ("no_such_module_here:x", 2, "importing no_such_module_here raised ModuleNotFoundError"),
        ("an_exit_to_import:x", 2, "importing an_exit_to_import raised SystemExit: not today"),
        ("{shop}:Ordre", 2, "a_shop_to_import has no attribute 'Ordre'"),
        ("{shop}:number", 2, "a int is no transitions.Machine and has none; name the object that is one"),
        ("{shop}:Fussy", 2, "fussy = Fussy(…), and name that, MODULE:fussy"),
        ("{shop}:Broken", 2, "Broken() raised TypeError: no"),
        ("{shop}:Two", 2, "has 2 of them; name one"),
        ("{shop}:parallel", 1, "parallel states"),
        ("os:", 2, "is not MODULE:OBJECT"),
        (".:x", 2, "importing . raised"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    shop: str, named: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the module does: the place, the reason, no traceback, nothing on stdout."""
    assert main(["import-transitions", named.format(shop=shop)]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
