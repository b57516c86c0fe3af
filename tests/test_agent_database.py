"""The port `database`: who reigns, under which term, and who may write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from fsm import Operation
from hosts.agent.database_port import DatabasePort, Reign
from hosts.database import Database
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.redo_log import RedoLog, Replay
from hosts.rpc import TermKeeper


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    """A pool of two hosts and one VM."""
    return PoolDir.create(tmp_path / "p", PoolFile.default(2, 1), 2.0)


@define
class Master:
    """A port with its reign; `told` are the hosts to which the term was told, which answer `kept`."""

    pool: PoolDir
    terms_file: Path
    me: int = 0
    kept: bool = True
    told: list[int] = field(factory=list)
    loaded: list[Mapping[str, Any]] = field(factory=list)
    terms: TermKeeper = field(init=False)
    reign: Reign = field(init=False)
    port: DatabasePort = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.terms = TermKeeper(self.terms_file)
        self.reign = Reign(self.terms)
        self.port = DatabasePort(self.pool, self.me, self.reign, self._tell, self._load)

    async def _tell(self, host: int) -> bool:
        assert self.on_disk().pool.term < self.reign.term  # nothing is written before all have kept it
        self.told.append(host)
        return self.kept

    async def _load(self, variables: Mapping[str, Any]) -> None:
        self.loaded.append(variables)

    async def take_over(self, *live: int, reign: int = 1) -> Any:
        return await self.ask("take_over", live=frozenset(live), reign=reign)

    async def ask(self, name: str, **arguments: Any) -> Any:
        return await self.port.perform(Operation("life", "database", name, arguments))

    def on_disk(self) -> Database:
        log = RedoLog.open(self.pool.redo_log, str(self.pool.uuid))
        database = Database.from_replay(log.read(), "redo log")
        log.close()
        assert database is not None
        return database


@pytest.fixture
def make(pool: PoolDir) -> Callable[[int], Master]:
    """A host as master, by its index."""
    return lambda host: Master(pool, pool.host_dir(host) / "term.json", host)


def test_a_reign_begins_once_every_live_host_knows_its_term(make: Callable[[int], Master]) -> None:
    """The term is above all, kept here, told to the others, and written last; then changes are taken."""

    async def story() -> None:
        master = make(0)
        with pytest.raises(PoolError, match="only the master writes"):
            await master.reign.commit({"ha": "on"})
        assert await master.take_over(0, 1) == ("ok", {"term": 2})
        assert (master.told, master.terms.term, master.reign.term, master.loaded) == ([1], 2, 2, [{}])
        await master.reign.commit({"ha": "enabling"})
        assert (master.on_disk().pool.term, master.on_disk().variables) == (2, {"ha": "enabling"})
        assert [master.reign.incarnation() for _ in range(2)] == [2_000_001, 2_000_002]

    asyncio.run(story())


def test_a_host_that_does_not_keep_the_term_stops_the_reign(make: Callable[[int], Master]) -> None:
    """Then nothing is written, and the next try has a higher term."""

    async def story() -> None:
        master = make(0)
        master.kept = False
        assert await master.take_over(0, 1) == ("failed", {})
        with pytest.raises(PoolError, match="only the master writes"):
            await master.reign.commit({"ha": "on"})
        assert master.on_disk().pool.term == 1
        master.kept = True
        assert await master.take_over(0, 1) == ("ok", {"term": 4})
        assert master.on_disk().pool.term == 4

    asyncio.run(story())


def test_an_old_master_writes_no_more(make: Callable[[int], Master]) -> None:
    """From the new one's claim on; and the new one has read everything that the old one acknowledged."""

    async def story() -> None:
        old, new = make(0), make(1)
        assert await old.take_over() == ("ok", {"term": 2})
        await old.reign.commit({"ha": "on"})
        assert await new.take_over(1) == ("ok", {"term": 3})
        assert new.loaded == [{"ha": "on"}]
        with pytest.raises(PoolError, match="term 2 is refused"):
            await old.reign.commit({"ha": "disabling"})
        assert new.on_disk().variables == {"ha": "on"}
        assert await old.take_over(0) == ("ok", {"term": 4})  # the liveset has given it the lock

    asyncio.run(story())


@pytest.mark.parametrize("late", [0, 1])
def test_two_that_take_over_at_once_have_two_terms(
    make: Callable[[int], Master], monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """One host reads the log, then another takes it over, then the first one claims it: the two terms differ, and the
    host with the higher one writes, the other does not."""
    claim, claimed = RedoLog.claim, list[int]()
    slow, fast = make(late), make(1 - late)

    def at_last(log: RedoLog, term: int) -> Replay:
        claimed.append(term)
        if len(claimed) == 1:
            assert asyncio.run(fast.take_over(1 - late))[0] == "ok"
        return claim(log, term)

    async def story() -> list[str]:
        with contextlib.suppress(PoolError):
            await slow.take_over(late)
        refused = []
        for name, master in (("slow", slow), ("fast", fast)):
            try:
                await master.reign.commit({"ha": "on"})
            except PoolError:
                refused.append(name)
        return refused

    monkeypatch.setattr(RedoLog, "claim", at_last)
    assert asyncio.run(story()) == (["fast"] if claimed[0] > claimed[1] else ["slow"])
    assert claimed[0] != claimed[1]


def test_a_former_master_does_not_get_the_database_without_a_lock(make: Callable[[int], Master]) -> None:
    """With HA off: superseded, and nothing is claimed. A host that was named gets it, and one after a crash its own."""

    async def story() -> None:
        old, new = make(0), make(1)
        assert await old.take_over() == ("ok", {"term": 2})
        assert await new.take_over(reign=1) == ("superseded", {})
        assert await new.take_over(reign=3) == ("ok", {"term": 5})  # decided on, for the term after the old master's
        assert await old.take_over(reign=2) == ("superseded", {})
        assert await make(1).take_over(reign=3) == ("ok", {"term": 7})  # it died before it knew of its reign
        assert await old.ask("read") == ("ok", {"term": 7})

    asyncio.run(story())


def test_a_claim_that_failed_is_no_reign(make: Callable[[int], Master], monkeypatch: pytest.MonkeyPatch) -> None:
    """A former master wants the log with higher and higher terms, which cannot be written; it dies, and another host is
    named by force, with a lower one. The former master is superseded, and the other one writes on."""
    claim = RedoLog.claim

    def unwritten(log: RedoLog, term: int) -> Replay:
        raise PoolError(f"term {term} cannot be written")

    async def story() -> None:
        old, forced = make(0), make(1)
        assert await old.take_over() == ("ok", {"term": 2})
        monkeypatch.setattr(RedoLog, "claim", unwritten)
        for _ in range(3):
            with pytest.raises(PoolError, match="cannot be written"):
                await old.take_over(reign=2)
        assert old.terms.term == 8
        monkeypatch.setattr(RedoLog, "claim", claim)
        assert await forced.ask("seize") == ("ok", {"term": 5})
        assert await forced.take_over(reign=5) == ("ok", {"term": 7})
        assert await make(0).take_over(reign=2) == ("superseded", {})
        await forced.reign.commit({"ha": "enabling"})

    asyncio.run(story())


def test_a_claim_that_was_written_is_a_reign(make: Callable[[int], Master], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is only not known to be: a later try gets the database, and no other host does."""
    claim = RedoLog.claim

    def unanswered(log: RedoLog, term: int) -> Replay:
        claim(log, term)
        raise PoolError(f"is term {term} written?")

    async def story() -> None:
        assert await make(1).take_over(reign=3) == ("ok", {"term": 5})
        monkeypatch.setattr(RedoLog, "claim", unanswered)
        with pytest.raises(PoolError, match="is term 7 written"):
            await make(1).take_over(reign=5)
        monkeypatch.setattr(RedoLog, "claim", claim)
        assert await make(0).take_over(reign=5) == ("superseded", {})
        assert await make(1).take_over(reign=5) == ("ok", {"term": 9})

    asyncio.run(story())


def test_a_host_that_is_named_by_force_keeps_all_others_from_the_database(make: Callable[[int], Master]) -> None:
    """Its term is above the next one, which may have been decided on; nobody writes until it takes over itself."""

    async def story() -> None:
        old, new = make(0), make(1)
        assert await old.take_over() == ("ok", {"term": 2})
        assert await new.ask("seize") == ("ok", {"term": 5})
        assert await old.take_over(reign=3) == ("superseded", {})
        with pytest.raises(PoolError, match="only the master writes"):
            await new.reign.commit({"ha": "enabling"})
        assert await new.take_over(reign=5) == ("ok", {"term": 7})

    asyncio.run(story())


def test_a_broken_log_is_not_taken_over(make: Callable[[int], Master], pool: PoolDir) -> None:
    """failed, with nothing overwritten."""
    master = make(0)
    pool.redo_log.write_bytes(content := b"\x07" * 300_000)
    with pytest.raises(PoolError, match="redo log") as refusal:
        asyncio.run(master.take_over())
    assert master.port.failure(Operation("life", "database", "take_over"), refusal.value) == ("failed", {})
    assert pool.redo_log.read_bytes() == content
