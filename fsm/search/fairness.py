"""Who owes what: which moves may go on for ever, and which of them may not be put off for ever.

A run that breaks a promise of the future goes round for ever, or stays where it is. In what goes round for ever no
fault happens and no operator speaks, for both stop some time; but kinds of fault that a property counts on, such as
a boot, do happen, and are owed weakly at least: what is counted on comes.

Where something happens at once (`fsm.explore.world.Action.prompt`), all else is held back for a moment. A state of that
kind takes no time, so it excuses nobody: whatever is possible in all the others was possible without a break.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from fsm.errors import SpecError
from fsm.language.document import suggest
from fsm.search.space import Fairness

Group = tuple[str, str | None]
"""The name of a group of moves, and their kind of fault."""
AT_ONCE = " at once"
"""How the name of a group ends that happens at once."""
NEVER, FREE, WEAK, STRONG = "never", "free", "weak", "strong"
"""What a group is to what goes on for ever: it does not happen in it · it may · it does where it is possible without a
break · it does where it is possible again and again."""


def debt(fairness: Fairness, group: Group, counting_on: Sequence[str]) -> str:
    """What a group owes to a property that counts on some kinds of fault: NEVER, FREE, WEAK or STRONG."""
    name, fault = group
    if fault is not None and fault not in counting_on:
        return NEVER
    if any(_fits(name, pattern) for pattern in fairness.strong):
        return STRONG
    if fault is not None or any(_fits(name, pattern) for pattern in fairness.weak):
        return WEAK
    return FREE


def at_once(group: Group) -> bool:
    """Whether a group happens at once: a state in which it is possible takes no time."""
    return group[0].endswith(AT_ONCE)


def check_patterns(fairness: Fairness, groups: Iterable[str]) -> None:
    """Refuses a pattern of `fair` that fits no group of moves: it would be taken for an assumption, and is none.

    Arguments:
        groups: the names of all groups of the space.
    Errors: `SpecError` at `fair`.
    """
    known = sorted(set(groups))
    for pattern in (*fairness.weak, *fairness.strong):
        if fairness.at is not None and not any(_fits(name, pattern) for name in known):
            message = f"fair: no group of moves is called {pattern!r}{suggest(pattern, known)}"
            raise SpecError(fairness.at, message, "unknown-name")


def _fits(name: str, pattern: str) -> bool:
    """Whether a pattern fits, `*` any text and `?` any letter; brackets are themselves, for groups are called so."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))
