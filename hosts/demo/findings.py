"""What a run has come to: the evidence of its directory, judged, and put into a report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import evolve

from fsm import Library, specs
from hosts.daemon.timing import Timing
from hosts.database import Database
from hosts.demo.evidence import Evidence, Stored, read_evidence
from hosts.demo.promises import Words, judge
from hosts.demo.report import Report, measures
from hosts.demo.story import Story
from hosts.demo.timeline import Moment, timeline
from hosts.errors import PoolError
from hosts.pool_dir import PoolDir
from hosts.redo_log import RedoLog
from hosts.supervisor.config import FENCED_FILE


def words() -> Words:
    """What the specs call the things that promises speak of: rows that start a VM are those that say so."""
    library = Library(specs())
    guest, daemon = library.machine("guest"), library.machine("membership")
    starts = (row for row in guest.rows if row.do and (row.do.port, row.do.name) == ("toolstack", "start"))
    joined = (row for row in daemon.rows if "join_reading" in row.sources and row.target.startswith("live_"))
    return Words(
        starts=frozenset(row.id for row in starts),
        down=frozenset(row.id for row in library.machine("shutdown").rows if row.do and row.do.port == "power"),
        joined=frozenset(row.id for row in joined),
        promise_life=library.parameters()["promise_life"],
    )


def gather(directory: PoolDir) -> Evidence:
    """All that is on the disk of a pool. A VM that never ran has no disk, a daemon that never ran no journal."""
    names = [host.name for host in directory.hosts]
    disks = {vm.name: directory.disk(vm.name) for vm in directory.vms}
    daemons = {name: directory.daemon_journal(index) for index, name in enumerate(names)}
    found = read_evidence(
        names,
        {vm: disk for vm, disk in disks.items() if disk.exists()},
        {name: directory.agent_journal(index) for index, name in enumerate(names)},
        {name: _record(directory, index) for index, name in enumerate(names)},
        {name: journal for name, journal in daemons.items() if journal.exists()},
    )
    return evolve(found, stored=_stored(directory))  # read last: it holds what the journals say, or more


def _stored(directory: PoolDir) -> Stored | None:
    """The pool database in the redo log; None where it cannot be read, for its master may be writing a half of it."""
    try:
        log = RedoLog.open(directory.redo_log, str(directory.uuid))
        try:
            database = Database.from_replay(log.read(), log.place)
        finally:
            log.close()
    except PoolError:
        return None
    return None if database is None else Stored(database.pool.generation, database.variables)


def _record(directory: PoolDir, index: int) -> Path:
    """What a host's supervisor wrote of its death: all obituaries; where there is none, its last announcement."""
    obituaries = directory.obituaries(index)
    return obituaries if obituaries.exists() else directory.host_dir(index) / FENCED_FILE


def report(story: Story) -> Report:
    """The report of a run that has ended."""
    plan, fault = story.plan, story.fault
    spoken = words()
    evidence = evolve(
        gather(story.directory),
        stops=fault.stops if fault else (),
        protected=plan.protected,
        unplaced=story.unplaced,
        fault=fault.time if fault else story.begun,
        until=story.until,
        disable=story.disable,
    )
    first = Moment(fault.time, (fault.host,), fault.what, f"asked for: --how {plan.how}", "fault") if fault else None
    return Report(
        title=plan.title,
        fault=fault.time if fault else None,
        timeout=plan.timeout,
        moments=timeline(evidence, first),
        measures=measures(evidence, spoken) if fault else {},
        verdicts=judge(evidence, spoken),
        homeless=tuple(vm for vm in plan.protected if vm in story.unplaced),
        failures=tuple(story.failures),
        notes=tuple(_notes(story, evidence)),
    )


def _notes(story: Story, evidence: Evidence) -> Iterator[str]:
    """What explains the figures, and what nobody could know before. A VM that never fitted was named then."""
    yield from story.plan.caution
    fault = story.fault
    if fault and any(death.host == fault.host and death.confirmed for death in evidence.deaths()):
        drop = Timing.derive(story.plan.timeout).drop
        told = f"the supervisor outlived {fault.host} and told the others (an obituary)"
        yield f"{told}; without it they wait for D = {drop:g} s"
    known = story.plan.misfits
    yield from (f"{vm} has no host: {why}" for vm, why in story.unplaced.items() if vm not in known)
