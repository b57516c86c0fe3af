"""What is in force among the sectors of all hosts: which generation, its pool state, its mark, who is excluded.

These words belong to nobody, so no sector is theirs: every record and notice carries the greatest that its writer knew,
and whoever reads takes the greatest of all.

    generation  the greatest number; of two with one number, the one that has gone further: invalid beats active beats
                init, then the uuid decides. Whoever wrote the other finds its own generation not in force, which is as
                good as invalid
    pool state  invalid beats active beats init: within a generation it never goes back
    mark        the greatest number of a granted request: the last to take the lock
    excluded    of each host: its newest notice, unless a later incarnation of its daemon has written a record

Nothing here depends on the order in which sectors were written, only on what they say. Thus a write that lands late can
add a greater word, and never takes one back.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from hosts.daemon.layout import Generation, MarkWord, Notice, PoolState, Record

_UNMARKED = MarkWord()


@frozen(kw_only=True)
class Element:
    """The whole sectors of one host, each with its generation, of whatever generation."""

    records: Sequence[tuple[Generation, Record]] = ()
    notices: Sequence[tuple[Generation, Notice]] = ()

    def record(self, of: Generation) -> Record | None:
        """Its newest record of a generation."""
        return max((r for g, r in self.records if g == of), key=lambda record: record.incarnation, default=None)

    def excluded(self, of: Generation) -> bool:
        """Whether it is excluded in a generation."""
        record = self.record(of)
        notice = max((n for g, n in self.notices if g == of), key=lambda notice: notice.number, default=None)
        if notice and (record is None or record.incarnation <= notice.incarnation):
            return notice.excluded
        return record is not None and record.excluded


@frozen
class Words:
    """What is in force. Get it from `in_force`.

    Arguments:
        generation: None when no host has written anything.
        pool, mark, excluded: of that generation.
    """

    generation: Generation | None = None
    pool: PoolState = PoolState.NONE
    mark: MarkWord = _UNMARKED
    excluded: frozenset[int] = frozenset()


def in_force(elements: Sequence[Element]) -> Words:
    """What the elements of all configured hosts say together."""
    said = [(of, record.pool) for element in elements for of, record in element.records]
    said += [(of, notice.pool) for element in elements for of, notice in element.notices]
    if not said:
        return Words()
    generation, pool = max(said, key=lambda word: (word[0].number, word[1], word[0].uuid.bytes))
    records = [record for element in elements for of, record in element.records if of == generation]
    return Words(
        generation,
        pool,
        max((record.mark for record in records), default=_UNMARKED),
        frozenset(host for host, element in enumerate(elements) if element.excluded(generation)),
    )
