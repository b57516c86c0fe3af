"""Hypothesis strategies: the events of a spec, and sequences of them that are possible.

A sequence is a text with one character for each event, told as a story by `fsm.testing.stories`. Hypothesis draws and
shrinks a text as one value, which is three to five times as fast as a `RuleBasedStateMachine` with a rule for each
event, or with one rule for all; and as many examples of it covered more rows. Such a machine would read well as it
stands, but a reader is served better by the story, which is shown as the golden trace that it is: nobody sees the text.
Cutting a character out of it cuts one event out of the story, and smaller ones are first values, so that failing
sequences shrink to a few plain events.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fsm.engine.node import Node
from fsm.engine.turn import Event
from fsm.language.domains import Domain
from fsm.language.spec import Machine
from fsm.testing.stories import PLAIN, Samples, Story, Teller

FIRST, LAST = 0x10000, 0x10FFFF
"""The characters of scripts, which are numbers of 20 bits: beyond the surrogates, so that none is left out."""
KEYS = ("one", "two")
"""Instances of a machine that is given without a node."""


def node_of(what: Node | Machine, n: int = 1) -> Node:
    """The node itself, or one with the machine alone, as host 0 of `n`.

    Errors: `fsm.errors.SpecError` for a machine that looks at siblings, which are not there.
    """
    if isinstance(what, Node):
        return what
    instances = {what.instance: KEYS} if what.instance else {}
    return Node([what], 0, n, instances, {name: float(value) for name, value in what.parameters.items()})


def values(domain: Domain, n: int, samples: tuple[Any, ...] = PLAIN) -> st.SearchStrategy[Any]:
    """The values of a domain in a pool of `n` hosts; those of `samples` where it is opaque.

    >>> values(Domain("hosts"), 2).filter(lambda hosts: len(hosts) == 2).example()  # doctest: +SKIP
    frozenset({0, 1})
    """
    if domain.kind == "hosts":
        return st.frozensets(st.integers(0, n - 1))
    return st.sampled_from(samples if domain.kind == "opaque" else domain.values(n))


def events(
    what: Node | Machine, *, local: tuple[Any, ...] | None = None, samples: Samples | None = None, n: int = 1
) -> st.SearchStrategy[Event]:
    """Any event from outside, with a payload inside its domains.

    >>> from hypothesis import find
    >>> from fsm.testing.example import door
    >>> find(events(door()), lambda event: event.payload.get("force") == 2)
    Event(machine='door', name='push', payload={'force': 2}, call=None)

    Arguments:
        what: a node, or a machine alone, which is then put on host 0 of `n`.
        local: a state of the node, for those events only that are possible there.
        samples: for opaque fields, by name, the values that they may have; "a" and "b" where nothing is said.
    Errors: `ValueError` where nothing is possible.
    """
    node, given = node_of(what, n), samples or {}
    teller, found = Teller(node, given), []
    for kind in teller.kinds:
        if local is None or teller.comes(kind, local):
            payload = {k: values(d, node.n, tuple(given.get(k, PLAIN))) for k, d in kind.fields.items()}
            call = st.integers(1, 9).map("call-{}".format) if kind.served else st.none()
            found.append(
                st.builds(Event, st.just(kind.machine), st.just(kind.event), st.fixed_dictionaries(payload), call)
            )
    if not found:
        raise ValueError(f"nothing can come to {node!r}{'' if local is None else ' in this state'}")
    return st.one_of(found)


def sequences(
    what: Node | Machine, *, most: int = 50, samples: Samples | None = None, n: int = 1
) -> st.SearchStrategy[Story]:
    """Stories of a node, from its beginning on: each event was possible when it came.

    >>> from hypothesis import find
    >>> from fsm.testing.example import door
    >>> find(sequences(door()), lambda story: story.node.state(story.local, "door") == "open")
    <machine door; send door.push(force=1); outcome door.lock.released>

    Arguments:
        what, samples, n: as for `events`.
        most: the length of the longest story.
    """
    teller = Teller(node_of(what, n), samples or {})
    if not teller.kinds:
        raise ValueError(f"nothing can come to {teller.node!r}")
    return _stories(teller, most)


@st.composite
def _stories(draw: st.DrawFn, teller: Teller, most: int) -> Story:
    least = draw(st.integers(0, most))  # texts of no least length are short: five characters or so
    script = draw(st.text(st.characters(min_codepoint=FIRST, max_codepoint=LAST), min_size=least, max_size=most))
    return teller.tell(ord(character) - FIRST for character in script)
