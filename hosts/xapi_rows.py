"""Which rows encode which part of xapi's HA: its functions (`hosts.xapi_ha`), its durable keys, its alerts.

The page specs/xapi.md shows it, each row with a golden trace in which it fires. Rows are named by patterns, because a
function is a whole of rows: what it answers, what it waits for, how it ends. A key names the variables that hold it;
the rows that set them are found in the specs.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Encoded:
    """A function of xapi: what it does in one sentence, and the rows (patterns over their ids) that do it."""

    does: str
    rows: tuple[str, ...]


@frozen
class Kept:
    """A durable key of xapi: the variables that hold it, or where else it is kept and why no row sets it."""

    means: str
    variables: tuple[str, ...] = ()
    elsewhere: str = ""


FUNCTIONS: Mapping[str, Encoded] = {
    "ha_redo_log": Encoded(
        "The log that makes updates of the pool database durable: two halves, a mark that says which one counts, "
        "broken when a write failed, healed by a full database.",
        ("redo_log.*", "claim.*", "flush.*"),
    ),
    "Monitor.plan_out_of_date": Encoded("Plan anew at the next turn.", ("outlook.*/out_of_date*",)),
    "Monitor.stop": Encoded("End the loop and the restarts with it.", ("monitor.*/stop*", "restart.*/stop*")),
    "ha_prevent_restarts_for": Encoded(
        "Restart nothing for a while; what is under way ends first; 0 ends it.", ("hold.*",)
    ),
    "on_server_restart": Encoded(
        "An armed host starts its daemon, and serves only once it is in: present, invalid, no statefile, or else.",
        (
            "life.down/boot*",
            "life.reading/*",
            "life.starting/*",
            "life.asking/*",
            "life.emergency/*",
            "life.claiming/*",
            "reconcile.*",
        ),
    ),
    "on_database_engine_ready": Encoded(
        "The database is ours: nobody counts as ready until he says so, then VMs may be restarted.",
        ("life.taking_over/database.ok*", "muster.*", "readiness.*"),
    ),
    "ha_disable_failover_decisions": Encoded(
        "This host neither becomes master nor restarts a VM.", ("leave.idle/host.disable_decisions*",)
    ),
    "ha_disarm_fencing": Encoded("This host fences itself no more.", ("leave.idle/host.disarm*", "leave.disarming/*")),
    "ha_stop_daemon": Encoded("The monitor first, then the daemon.", ("leave.idle/host.stop_daemon*",)),
    "emergency_ha_disable": Encoded(
        "Take one host out of HA without its pool, its VMs stopped first; or by force, on an operator's promise.",
        ("withdraw.*",),
    ),
    "ha_release_resources": Encoded("Drop every trace of HA here.", ("leave.idle/host.release*",)),
    "ha_wait_for_shutdown_via_statefile": Encoded(
        "Wait until the daemon has read that HA is off.",
        ("leave.idle/host.wait_for_shutdown", "leave.looking/*", "leave.pausing/*"),
    ),
    "preconfigure_host": Encoded(
        "Enable, step 1: attach the statefile.", ("join.idle/host.preconfigure*", "join.attaching/*")
    ),
    "join_liveset": Encoded(
        "Enable, step 2: start the daemon, see the master assert itself, arm last.",
        ("join.idle/host.join*", "join.starting/*", "join.claiming/*", "join.asleep/*", "join.polling/*"),
    ),
    "propose_new_master": Encoded("Promise to follow a new master.", ("promise.*/host.propose*",)),
    "commit_new_master": Encoded(
        "Decide for it (the old master), or follow it.",
        ("promise.*/host.decide*", "promise.*/host.commit*", "promise.deciding/*", "promise.following/*"),
    ),
    "abort_new_master": Encoded("Forget the promise.", ("promise.*/host.abort*",)),
    "disable": Encoded(
        "Off for the whole pool: through the statefile, without it, after a partial failure.", ("disable.*",)
    ),
    "enable": Encoded("On for the whole pool: all hosts or none.", ("enable.*",)),
    "before_clean_shutdown_or_reboot": Encoded(
        "Leave HA in order and end this host; refused where the statefile cannot be trusted.", ("shutdown.*",)
    ),
}

KEYS: Mapping[str, Kept] = {
    "ha_armed": Kept("this host starts the daemon at boot and may be fenced", ("armed",)),
    "ha_disable_failover_decisions": Kept("this host neither becomes master nor restarts a VM", ("decisions",)),
    "ha_peers": Kept(
        "the heartbeat address of each host", elsewhere="in the pool's directory, which every host has from the start"
    ),
    "ha_base_t": Kept("the timeout T", elsewhere="a parameter of the specs, from the pool's directory"),
    "ha_cluster_stack": Kept("which daemon", elsewhere="there is one, embedded; another is another adapter"),
    "ha_enabled": Kept("HA is on for the pool", ("ha",)),
    "ha_statefiles": Kept("where the statefile is", elsewhere="in the pool's directory"),
    "ha_configuration": Kept("timeout and more", elsewhere="in the pool's directory"),
    "ha_host_failures_to_tolerate": Kept(
        "how many failures a plan is to bear", elsewhere="the planner's question is one failure more than there are"
    ),
    "ha_plan_exists_for": Kept("how many it bears", elsewhere="computed when somebody asks, never kept"),
    "ha_overcommitted": Kept("not every VM that is protected has a place", ("outlook.overcommitted",)),
    "ha_allow_overcommit": Kept(
        "whether changes may break the plan", elsewhere="none is refused for it; it is alerted"
    ),
    "host.enabled": Kept("the host may take VMs", ("unready",)),
    "host.metrics.live": Kept("the host is in the liveset", ("outlook.seen",)),
    "host.ha_statefiles": Kept("the host reaches the statefile", elsewhere="in memory: the states of sight"),
    "host.ha_network_peers": Kept("whom the host hears", ("membership.heard",)),
    "VM.power_state": Kept("the VM runs", ("restart.resident",)),
    "VM.resident_on": Kept("where the VM runs", ("restart.resident",)),
    "VM.scheduled_to_be_resident_on": Kept("where a start was asked for and not answered", ("restart.target",)),
    "VM.ha_always_run": Kept("the VM is to run", ("restart.wanted",)),
    "VM.ha_restart_priority": Kept("restart, best-effort or none", elsewhere="the VM's record in the pool database"),
    "VM.order": Kept("the group it starts in", elsewhere="the VM's record in the pool database"),
    "VM.start_delay": Kept("how long the next group waits", elsewhere="the VM's record in the pool database"),
}
