"""For the tests of projects that use `fsm`: needs the extra `liveset[test]`, which is hypothesis and pytest.

    from fsm import Node
    from fsm.testing import adapter_machine, sequences

    node = Node.load("specs", ["door"], me=0, n=1)

    @given(sequences(node))                                  # stories of the door, every event possible when it came
    def test_the_door_never_refuses(story):
        assert story.refused is None

    TestLock = adapter_machine(node, lambda: MyLock()).TestCase     # a real adapter, driven by the door

    @pytest.mark.parametrize("trace", Path("tests/traces").glob("*.txt"), ids=str)
    def test_the_door_does_what_it_did(trace):
        assert play(trace, "specs").text == trace.read_text()

    SPACE = open_space("failover", {"hosts": 3})

    @given(walk=walks(SPACE))                                # walks through a system or model too large to be explored
    def test_every_walk_keeps_its_promises(walk):
        follow(SPACE, walk)

`pytest --fsm-cover=specs --fsm-floor=row:95` says how much of the table the tests have seen; a floor wants the same
stories in every run, so a profile of Hypothesis with `derandomize=True`. What fails is shrunk, and shown as a golden
trace: pasted into a file of `tests/traces`, it is played again, and fails where the spec has changed.

Each name is loaded when it is first used, so that the pytest plug-in, which lives in this package, costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsm.explore.traces import play
    from fsm.search.walk import walked
    from fsm.testing.adapters import adapter_machine
    from fsm.testing.coverage import Covered, Recorder
    from fsm.testing.performing import AdapterFault
    from fsm.testing.random_walks import follow, open_space, walks
    from fsm.testing.stories import Story
    from fsm.testing.strategies import events, sequences, values
    from fsm.testing.worlds import world_machine

__all__ = [
    "AdapterFault",
    "Covered",
    "Recorder",
    "Story",
    "adapter_machine",
    "events",
    "follow",
    "open_space",
    "play",
    "sequences",
    "values",
    "walked",
    "walks",
    "world_machine",
]

_EXPORTS = {
    "AdapterFault": "fsm.testing.performing",
    "Covered": "fsm.testing.coverage",
    "Recorder": "fsm.testing.coverage",
    "Story": "fsm.testing.stories",
    "adapter_machine": "fsm.testing.adapters",
    "events": "fsm.testing.strategies",
    "follow": "fsm.testing.random_walks",
    "open_space": "fsm.testing.random_walks",
    "play": "fsm.explore.traces",
    "sequences": "fsm.testing.strategies",
    "values": "fsm.testing.strategies",
    "walked": "fsm.search.walk",
    "walks": "fsm.testing.random_walks",
    "world_machine": "fsm.testing.worlds",
}


if not TYPE_CHECKING:  # a module with __getattr__ has every name for a type checker, misspelt ones too

    def __getattr__(name: str) -> object:
        module = _EXPORTS.get(name)
        if module is None:
            raise AttributeError(f"module 'fsm.testing' has no attribute {name!r}")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name not in ("hypothesis", "pytest"):
                raise
            message = f"fsm.testing.{name} needs {error.name}; try pip install 'liveset[test]'"
            raise ModuleNotFoundError(message, name=error.name) from None
