"""The interface of xapi's HA module, value by value: each submits one event to one machine of this host, no more.

Every function takes where events go as its first argument. `submit` is `send` of a driver: its answer is the turn, in
which the row that fired says what will happen and why (`turn.fired[0].why`), or that of an asyncio driver, which is
awaited. Functions that xapi calls from host to host take `serve` of a driver and the number of the call: the answer is
the reply, whenever it comes. What follows is told by alerts, the journal and the state of the machines.

Nothing is decided here. Where xapi raises, a row answers: it is refused with its reason and changes nothing. Where xapi
loops or waits, a machine is in a state: whoever wants to wait looks at it.

`hosts.xapi_rows` maps each of these names, and each durable key, to the rows that encode it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

from fsm import Event

R = TypeVar("R")
Submit = Callable[[Event], R]
"""`send` of a driver: runs the turn of an event."""
Serve = Callable[[Event], R]
"""`serve` of a driver: takes an event that begins a call, and promises its reply."""


class RedoLog:
    """xapi's `ha_redo_log`: the log that makes changes of the pool database durable. Changes themselves are no events
    from outside: the machines make them, and the driver commits them before anything follows from them."""

    @staticmethod
    def claim(submit: Submit[R], term: int, order: Literal["lower", "same", "higher"]) -> R:
        """Take the log over for a new reign.

        Arguments:
            term: of the reign.
            order: how it compares with the highest term that this writer knows of.
        """
        return submit(Event("redo_log", "claim", {"term": term, "order": order}))

    @staticmethod
    def close(submit: Submit[R]) -> R:
        """Use it no more."""
        return submit(Event("redo_log", "close"))


ha_redo_log = RedoLog()


class Monitor:
    """xapi's `Monitor`: the loop that looks at the liveset."""

    @staticmethod
    def plan_out_of_date(submit: Submit[R]) -> R:
        """Ask the acting master to plan anew at its next turn; on any other host nothing happens."""
        return submit(Event("outlook", "out_of_date"))

    @staticmethod
    def stop(submit: Submit[R]) -> R:
        """Stop the loop, restarts of VMs with it. It has stopped when this returns; one that does not run is told so
        by an alert."""
        return submit(Event("monitor", "stop"))


def ha_prevent_restarts_for(submit: Submit[R], seconds: int) -> R:
    """Restart no VM for a while; with HA off it holds as well, for when HA comes on.

    Arguments:
        seconds: how long from now; 0 lets restarts happen again at once.
    What is being restarted goes on: nothing more is restarted once `hold` is in the state `held`.
    """
    return submit(Event("hold", "prevent", {"length": seconds}) if seconds else Event("hold", "allow"))


def on_server_restart(submit: Submit[R]) -> R:
    """The agent has started. An armed host starts its daemon before anything else, and tries until it is in, or until
    it learns that HA is off."""
    return submit(Event("life", "boot"))


def on_database_engine_ready(submit: Submit[R]) -> R:
    """The pool database of this master is ready. No host counts as enabled until it says so anew, and no VM is
    restarted before all of the liveset have, or a limit has passed."""
    return submit(Event("muster", "begin"))


def enable(submit: Submit[R]) -> R:
    """Switch HA on for the whole pool, from its master: all hosts or none."""
    return submit(Event("enable", "enable"))


def disable(submit: Submit[R]) -> R:
    """Switch HA off for the whole pool, from its master: through the statefile, or without it."""
    return submit(Event("disable", "disable"))


def emergency_ha_disable(submit: Submit[R], soft: bool) -> R:
    """Take this host out of HA without its pool. Its VMs are stopped first.

    Arguments:
        soft: until the host boots again; else until HA is enabled anew, or an operator takes it back.
    """
    return submit(Event("withdraw", "disable", {"soft": soft}))


def before_clean_shutdown_or_reboot_precheck(submit: Submit[R]) -> R:
    """Ask whether this host may be shut down now; changes nothing."""
    return submit(Event("shutdown", "precheck"))


def before_clean_shutdown_or_reboot(submit: Submit[R], reboot: bool) -> R:
    """Leave HA in order and end this host. Refused where the statefile cannot be trusted; past its point of no return
    whatever goes wrong fences the host.

    Arguments:
        reboot: boot again afterwards.
    """
    return submit(Event("shutdown", "shutdown", {"reboot": reboot}))


def preconfigure_host(serve: Serve[R], call: str) -> R:
    """Enable, step 1 on every host: attach the statefile. Reply: ok, failed."""
    return serve(Event("join", "host.preconfigure", call=call))


def join_liveset(serve: Serve[R], call: str) -> R:
    """Enable, step 2 on every host: start the daemon and see the master assert itself; armed with the reply.

    Reply: ok, failed."""
    return serve(Event("join", "host.join", call=call))


def ha_disable_failover_decisions(serve: Serve[R], call: str, master: int) -> R:
    """This host must neither become master nor restart a VM from now on.

    Arguments:
        master: the index of the host that wants it.
    Reply: ok, failed while something is in flight that still could."""
    return serve(Event("leave", "host.disable_decisions", {"master": master}, call))


def ha_disarm_fencing(serve: Serve[R], call: str, master: int) -> R:
    """This host fences itself no more, for HA is off; a daemon that is gone counts as disarmed.

    Arguments:
        master: the index of the host to follow afterwards.
    Reply: ok, failed."""
    return serve(Event("leave", "host.disarm", {"master": master}, call))


def ha_stop_daemon(serve: Serve[R], call: str, master: int) -> R:
    """Stop the monitor, then the daemon.

    Arguments:
        master: the index of the host to follow afterwards.
    Reply: ok."""
    return serve(Event("leave", "host.stop_daemon", {"master": master}, call))


def ha_wait_for_shutdown_via_statefile(serve: Serve[R], call: str) -> R:
    """Wait until the daemon has left, as it does when it reads that HA is off. Reply: ok, failed when this host has
    lost the statefile."""
    return serve(Event("leave", "host.wait_for_shutdown", call=call))


def ha_release_resources(serve: Serve[R], call: str, master: int) -> R:
    """Drop every trace of HA on this host, the boot flag with it.

    Arguments:
        master: the index of the host to follow afterwards.
    Reply: ok."""
    return serve(Event("leave", "host.release", {"master": master}, call))


def propose_new_master(serve: Serve[R], call: str, address: int) -> R:
    """Planned change of master, step 1 on every other host: promise to accept a new one.

    Arguments:
        address: the index of the host that is to become master.
    Reply: ok, failed while another host's proposal is younger than ten minutes."""
    return serve(Event("promise", "host.propose", {"address": address}, call))


def decide_new_master(serve: Serve[R], call: str, address: int, term: int) -> R:
    """Step 2, on the old master alone, which has no counterpart in xapi: there the hosts commit in any order, and some
    of them are left with no master at all. From its reply on the old master serves no more.

    Arguments:
        address: the index of the host that was proposed.
        term: of the new reign, one above that of the old.
    Reply: ok, failed without a matching proposal."""
    return serve(Event("promise", "host.decide", {"address": address, "term": term}, call))


def commit_new_master(serve: Serve[R], call: str, address: int, term: int) -> R:
    """Step 3, on all the others: follow the host that was proposed.

    Arguments:
        address: its index.
        term: of the new reign.
    Reply: ok, failed without a matching proposal."""
    return serve(Event("promise", "host.commit", {"address": address, "term": term}, call))


def abort_new_master(serve: Serve[R], call: str, address: int) -> R:
    """Forget the proposal of a host. Arguments: address: its index. Reply: ok."""
    return serve(Event("promise", "host.abort", {"address": address}, call))
