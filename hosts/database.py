"""The pool database: a small immutable value, and the store through which the master alone changes it.

A `Database` is four tables: the pool, its hosts by index, its VMs by name, and the pool-durable variables of
the machines by name. A fact has one place: what HA is doing ("ha"), whether a VM is to run and where it was last known
to ("restart[vm1].wanted", ".resident", ".target") are variables, and the records hold what does not change by itself.
It is what the pool has recorded; where VMs really run, only the hosts can say.

A change is a *delta*, a JSON object of the same shape as the database: `{table: {key: {field: value}}}`, for
the pool `{"pool": {field: value}}` and for variables `{"variables": {name: value}}`. Fields that it names are
set, all others stay; a key that is not there yet is a new host or VM and needs all fields without a default.
A delta is what goes into the redo log. Each one raises `pool.generation` by one. `pool.uuid`,
`pool.generation` and `pool.term` are no delta's to set.

The rules of the store: a change is durable before anybody can see it; while the redo log is broken every
change is refused (S7); a new master begins with what the log holds, under a raised term. Every other process
may hold a `Database`, for reading.

What it leaves out: removing hosts and VMs; pushing copies to other hosts; grouping commits (each waits for
its own write, about 0.3 ms on an idle machine).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from attrs import evolve, field, frozen
from attrs.validators import ge, gt
from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError, transform_error

from hosts.errors import PoolError
from hosts.redo_log import RedoLog, Replay
from hosts.redo_log.format import canonical

FORMAT = 1
"""Version of the JSON form; another one is refused."""

_TABLES = ("pool", "hosts", "vms", "variables")
_STORE_FIELDS = frozenset({"uuid", "generation", "term"})
K = TypeVar("K")
V = TypeVar("V")


def _read_only(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(dict(value))


@frozen
class Pool:
    """The pool itself.

    Fields:
        uuid, name: who it is.
        generation: how many changes this database has seen.
        term: of the master that wrote it.
        default_restart_priority: of VMs that were described without one of their own.
    """

    uuid: str
    name: str
    generation: int = field(default=0, validator=ge(0))
    term: int = field(default=0, validator=ge(0))
    default_restart_priority: Literal["restart", "best-effort", ""] = "restart"


@frozen
class Host:
    """A host: its index in the pool, where its agent answers ("127.0.0.1:port"), memory for VMs in MiB."""

    index: int = field(validator=ge(0))
    uuid: str
    name: str
    address: str
    memory: int = field(validator=gt(0))


@frozen
class Vm:
    """A VM, and how much the pool cares for it.

    Fields:
        uuid, name: who it is; the name is its key.
        memory: MiB.
        restart_priority: "restart" is protected, "best-effort" comes after all those, "" is left alone.
        order: VMs of a lower order start first, negative ones last.
        start_delay: seconds that the next order waits after this VM has started.
    """

    uuid: str
    name: str
    memory: int = field(validator=gt(0))
    restart_priority: Literal["restart", "best-effort", ""] = ""
    order: int = 0
    start_delay: float = field(default=0.0, validator=ge(0))


@frozen
class Database:
    """Everything that the pool has recorded, at one generation.

    Fields:
        pool: the pool itself.
        hosts: by index; vms: by name.
        variables: the machines' pool-durable variables by name ("ha", "restart[vm1].target"), as JSON: a set
            is a sorted list.

    Errors: PoolError from `change` and `from_json` when keys and records disagree or a host is named that is
    not there.
    """

    pool: Pool
    hosts: Mapping[int, Host] = field(factory=dict, converter=_read_only)
    vms: Mapping[str, Vm] = field(factory=dict, converter=_read_only)
    variables: Mapping[str, Any] = field(factory=dict, converter=_read_only)

    def change(self, delta: Mapping[str, object]) -> Database:
        """The database after a delta, one generation on; this one stays as it is.

        Errors: PoolError saying where the delta is wrong: no JSON object, an unknown table or field, a wrong
        type or value, a new row without all it needs.
        """
        place = "database change"
        tables = _tables(delta, place)
        theirs = sorted(tables["pool"].keys() & _STORE_FIELDS)
        if theirs:
            raise PoolError(f"{place}: pool.{theirs[0]}: is not set by a change; leave it out")
        pool = _merged(f"{place}: pool", Pool, self.pool, tables["pool"])
        return _filled(place, tables, self, evolve(pool, generation=self.pool.generation + 1))

    def under(self, term: int) -> Database:
        """The same database as the master with this term writes it."""
        return evolve(self, pool=evolve(self.pool, term=term))

    def to_json(self) -> dict[str, object]:
        """The JSON form, a plain object with the key "version"; `from_json` reads it back."""
        plain = _CONVERTER.unstructure
        return {
            "version": FORMAT,
            "pool": plain(self.pool),
            "hosts": {str(index): plain(host) for index, host in self.hosts.items()},
            "vms": {name: plain(vm) for name, vm in self.vms.items()},
            "variables": dict(self.variables),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object], place: str) -> Database:
        """The database that a JSON object describes.

        Arguments:
            value: what `to_json` gave.
            place: what messages call it.

        Errors: PoolError for another version, or where it is wrong.
        """
        version = value.get("version")
        if version != FORMAT:
            raise PoolError(f"{place}: database format {version!r}, not {FORMAT}; use the program that wrote it")
        tables = _tables({table: rows for table, rows in value.items() if table != "version"}, place)
        pool = _structured(f"{place}: pool", tables["pool"], Pool)
        return _filled(place, tables, Database(pool), pool)

    @classmethod
    def from_replay(cls, replay: Replay, place: str) -> Database | None:
        """The database that a redo log holds, None when it was never begun. Nothing is written.

        Errors: PoolError when a record is no database or no delta of it.
        """
        if replay.full is None:
            return None
        database = cls.from_json(replay.full, place)
        for delta in replay.deltas:
            database = database.change(delta)
        return database


class DatabaseStore:
    """The master's database: the one place where it changes. One call at a time; commits block.

    Made by `start` for a pool without a database, else by `take_over`.

    Arguments:
        log: begun with `database` under `database.pool.term`.
    """

    def __init__(self, log: RedoLog, database: Database) -> None:
        self._log, self._database = log, database

    @classmethod
    def start(cls, log: RedoLog, term: int, database: Database) -> DatabaseStore:
        """Begin a log with a database that this master holds. Blocks for some writes.

        Arguments:
            term: above every term that the log has seen.
            database: not older than what the log holds.

        Errors: StaleTerm, RedoLogBroken, PoolError as `RedoLog.begin`.
        """
        database = database.under(term)
        log.begin(term, database.pool.generation, database.to_json())
        return cls(log, database)

    @classmethod
    def take_over(cls, log: RedoLog, term: int) -> DatabaseStore:
        """A new master takes the log: raises its term, replays it and begins anew. Blocks for some writes.

        After RedoLogBroken it may be repeated with the same log and term.

        Errors: StaleTerm for a term that is not above all that the log has seen; RedoLogBroken when a write
        failed; PoolError when the log is damaged, empty, or holds no database.
        """
        database = Database.from_replay(log.claim(term), log.place)
        if database is None:
            raise PoolError(f"{log.place}: it holds no database; start it with the pool's own")
        return cls.start(log, term, database)

    @property
    def database(self) -> Database:
        """The newest durable database."""
        return self._database

    @property
    def broken(self) -> str | None:
        """Why changes are refused; None while the log takes them."""
        return self._log.broken

    def commit(self, delta: Mapping[str, object]) -> Database:
        """Make a change durable, then visible. Blocks for one O_DSYNC write, or four when a half of the log
        is full.

        After RedoLogBroken the outcome is unknown to a later master (the change may be in the log, whole),
        while this store goes on without it.

        Errors: PoolError for a delta that is wrong (nothing is written); RedoLogBroken while the log is
        broken; StaleTerm when another master has the log.
        """
        after = self._database.change(delta)
        self._log.append(after.pool.term, after.pool.generation, delta, after.to_json)
        self._database = after
        return after

    def overdue(self) -> bool:
        """A commit that is under way takes too long: the log is broken until it has mended itself. From any thread.

        Returns: False where it has ended just in time.
        """
        return self._log.overdue()

    def mend(self) -> None:
        """Write the full database into a broken log now, which it tries from time to time by itself. Blocks for some
        writes.

        Errors: StaleTerm when another master has the log meanwhile; RedoLogBroken when it is still broken.
        """
        if self.broken:
            database = self._database
            self._log.begin(database.pool.term, database.pool.generation, database.to_json())


def _json_object(value: Mapping[str, object], place: str) -> dict[str, Any]:
    """A copy as it will come back from the log: a list that its owner changes later is not ours."""
    try:
        copy = json.loads(canonical(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise PoolError(f"{place}: {error}; only JSON values can be recorded") from None
    if not isinstance(copy, dict):
        raise PoolError(f"{place}: a JSON object is needed, not {copy!r}")
    return copy


def _tables(value: Mapping[str, object], place: str) -> dict[str, dict[str, Any]]:
    """The four tables of a database or a delta; one that is not named is empty."""
    tables = _json_object(value, place)
    unknown = sorted(tables.keys() - set(_TABLES))
    if unknown:
        raise PoolError(f"{place}: {unknown[0]!r} is no table; there are {', '.join(_TABLES)}")
    for table, rows in tables.items():
        if not isinstance(rows, dict):
            raise PoolError(f"{place}: {table}: an object is needed, not {rows!r}")
    return {table: tables.get(table, {}) for table in _TABLES}


def _filled(place: str, tables: Mapping[str, Mapping[str, Any]], old: Database, pool: Pool) -> Database:
    """The old database with another pool record, and these rows and variables set."""
    database = Database(
        pool,
        _rows(f"{place}: hosts", Host, old.hosts, tables["hosts"], _index),
        _rows(f"{place}: vms", Vm, old.vms, tables["vms"], str),
        {**old.variables, **tables["variables"]},
    )
    return _checked(place, database)


def _rows(
    place: str, kind: type[V], rows: Mapping[K, V], changes: Mapping[str, Any], key_of: Callable[[str], K]
) -> Mapping[K, V]:
    """A table with the changed rows in it."""
    result = dict(rows)
    for text, change in changes.items():
        where = f"{place}.{text if text.isprintable() else repr(text)}"
        if not isinstance(change, dict):
            raise PoolError(f"{where}: an object of fields is needed, not {change!r}")
        try:
            key = key_of(text)
        except ValueError:
            raise PoolError(f"{where}: a host's key is its index, 0 or above") from None
        result[key] = _merged(where, kind, rows.get(key), change)
    return result


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)


def _merged(place: str, kind: type[V], row: V | None, change: Mapping[str, Any]) -> V:
    """A record with some fields set; a new one when there was none."""
    old: dict[str, Any] = {} if row is None else _CONVERTER.unstructure(row)
    return _structured(place, {**old, **change}, kind)


def _json_error(error: BaseException, kind: type | None) -> str:
    """What is wrong with one field, in words for whoever wrote it."""
    if isinstance(error, KeyError):
        return "is missing"
    if isinstance(error, ForbiddenExtraKeysError):
        return f"{min(error.extra_fields)!r} is no field of it"
    return str(error)


def _structured(place: str, value: Mapping[str, Any], kind: type[V]) -> V:
    try:
        return _CONVERTER.structure(value, kind)
    except BaseValidationError as error:
        reason, _, path = transform_error(error, format_exception=_json_error)[0].rpartition(" @ $")
        raise PoolError(f"{place}{path}: {reason}") from None


def _checked(place: str, database: Database) -> Database:
    """The database, when its keys are those of its records."""
    for index, host in database.hosts.items():
        if host.index != index:
            raise PoolError(f"{place}: hosts.{index}.index: {host.index}, not its key {index}")
    for name, vm in database.vms.items():
        if vm.name != name:
            raise PoolError(f"{place}: vms.{name}.name: {vm.name!r}, not its key {name!r}")
    return database


def _strict(*kinds: type) -> Callable[[Any, Any], Any]:
    """A value of these types as it is; cattrs would make the number 5 of the text "5"."""

    def structure(value: Any, kind: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError(f"{value!r} is no {kinds[-1].__name__}")
        return value

    return structure


def _converter() -> Converter:
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(int, _strict(int))
    converter.register_structure_hook(float, _strict(int, float))
    converter.register_structure_hook(str, _strict(str))
    return converter


_CONVERTER = _converter()
