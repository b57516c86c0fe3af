"""xapi's interface: every value of it is there, and each submits one event that a shipped machine knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fsm import Event
from hosts import xapi_ha
from hosts.xapi_rows import FUNCTIONS, KEYS
from tools import ha_pages

INTERFACE = [
    "ha_redo_log", "Monitor.plan_out_of_date", "Monitor.stop", "ha_prevent_restarts_for", "on_server_restart",
    "on_database_engine_ready", "ha_disable_failover_decisions", "ha_disarm_fencing", "ha_stop_daemon",
    "emergency_ha_disable", "ha_release_resources", "ha_wait_for_shutdown_via_statefile", "preconfigure_host",
    "join_liveset", "propose_new_master", "commit_new_master", "abort_new_master", "disable", "enable",
    "before_clean_shutdown_or_reboot", "before_clean_shutdown_or_reboot_precheck",
]  # fmt: skip
"""Every value that the module's interface has, in its order, and the check that clients make before a shutdown."""
DURABLE = {
    "ha_armed", "ha_disable_failover_decisions", "ha_peers", "ha_base_t", "ha_cluster_stack", "ha_enabled",
    "ha_statefiles", "ha_configuration", "ha_host_failures_to_tolerate", "ha_plan_exists_for", "ha_overcommitted",
    "ha_allow_overcommit", "host.enabled", "host.metrics.live", "host.ha_statefiles", "host.ha_network_peers",
    "VM.power_state", "VM.resident_on", "VM.ha_restart_priority", "VM.ha_always_run", "VM.order", "VM.start_delay",
}  # fmt: skip
"""The keys on each host and in the pool database."""

SUBMITTED: list[Callable[[Callable[[Event], Event]], Event]] = [
    lambda send: xapi_ha.ha_redo_log.claim(send, 7, "higher"),
    xapi_ha.ha_redo_log.close,
    xapi_ha.Monitor.plan_out_of_date,
    xapi_ha.Monitor.stop,
    lambda send: xapi_ha.ha_prevent_restarts_for(send, 30),
    lambda send: xapi_ha.ha_prevent_restarts_for(send, 0),
    xapi_ha.on_server_restart,
    xapi_ha.on_database_engine_ready,
    xapi_ha.enable,
    xapi_ha.disable,
    lambda send: xapi_ha.emergency_ha_disable(send, soft=True),
    xapi_ha.before_clean_shutdown_or_reboot_precheck,
    lambda send: xapi_ha.before_clean_shutdown_or_reboot(send, reboot=False),
    lambda serve: xapi_ha.preconfigure_host(serve, "1"),
    lambda serve: xapi_ha.join_liveset(serve, "1"),
    lambda serve: xapi_ha.ha_disable_failover_decisions(serve, "1", 0),
    lambda serve: xapi_ha.ha_disarm_fencing(serve, "1", 0),
    lambda serve: xapi_ha.ha_stop_daemon(serve, "1", 0),
    lambda serve: xapi_ha.ha_wait_for_shutdown_via_statefile(serve, "1"),
    lambda serve: xapi_ha.ha_release_resources(serve, "1", 0),
    lambda serve: xapi_ha.propose_new_master(serve, "1", 2),
    lambda serve: xapi_ha.decide_new_master(serve, "1", 2, 7),
    lambda serve: xapi_ha.commit_new_master(serve, "1", 2, 7),
    lambda serve: xapi_ha.abort_new_master(serve, "1", 2),
]


@pytest.mark.parametrize("name", INTERFACE)
def test_every_value_of_the_interface_is_there(name: str) -> None:
    """Under its name, typed, documented, and mapped to rows."""
    value: Any = xapi_ha
    for part in name.split("."):
        value = getattr(value, part)
    assert value.__doc__
    assert name.removesuffix("_precheck") in FUNCTIONS


@pytest.mark.parametrize("submitted", SUBMITTED)
def test_it_submits_one_event_that_a_machine_knows(submitted: Callable[[Callable[[Event], Event]], Event]) -> None:
    """Of its own events with their payload, an outcome that it waits for, or a call that it serves."""
    sent: list[Event] = []

    def send(event: Event) -> Event:
        sent.append(event)
        return event

    event = submitted(send)
    assert sent == [event]
    machine = ha_pages.machines()[event.machine]
    assert any(row.event == event.name for row in machine.rows)
    port, _, name = event.name.rpartition(".")
    if event.call is not None:
        fields = machine.ports[port].operations[name].arguments
    else:
        fields = machine.outcome_fields(event.name) or {} if port else machine.events[name]
    assert event.payload.keys() == fields.keys()


def test_every_durable_key_is_mapped() -> None:
    """To variables that there are, or to where else it is kept."""
    assert KEYS.keys() >= DURABLE
    for kept in KEYS.values():
        assert bool(kept.variables) != bool(kept.elsewhere)
        for variable in kept.variables:
            assert ha_pages.rows_that_set([variable]), variable


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_row_of_a_function_fires_in_a_golden_trace(name: str) -> None:
    """Each pattern fits rows, and each row has a trace, or the reason why it has none stands with it on the page."""
    for pattern in FUNCTIONS[name].rows:
        assert ha_pages.rows_like([pattern]), pattern
    rows = ha_pages.rows_like(FUNCTIONS[name].rows)
    assert [row for row in rows if row not in ha_pages.fired() and row not in ha_pages.unplayed()] == []


def test_the_page_is_the_one_that_is_made() -> None:
    """Run tools/pages."""
    assert ha_pages.PAGES["xapi.md"]() == (ha_pages.FOLDER / "xapi.md").read_text("utf-8")
