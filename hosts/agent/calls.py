"""The calls between agents, on both sides: the port `host` of the machines that call, and the door of those that serve.

Rules.
- What is not an outcome that the port declares is `lost`: refused, cut off, late, or garbage. Lost is unknown, not no.
- A host calls itself by the same way, but for the network.
- Calls of one *lane* (one machine of one host) are numbered upwards over all lives of its agent, and a target takes
  none that a later one has overtaken: a request that dawdled in a buffer must not start a VM after the question whether
  it runs was answered with no. A call to join overtakes the commands of all lanes: a clean-up of HA's former time that
  came after it would take the daemon away under running VMs, which the master would then start elsewhere.
- Hosts enable HA together only with the same specs: the first call of an enable carries what the coordinator's are.
- A master commands in its own term for as long as its reign lasts, whatever higher term it hears of; it is for the
  targets to refuse it. One that was refused is superseded: its reign is over, and it begins anew, asking its daemon.
  Only a question of a host that is no master goes out in the highest term known here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any

from attrs import define, field

from fsm import Event, Node, Operation, Signal
from fsm.drivers.adapters import Outcome
from fsm.drivers.journal import digests
from fsm.engine.turn import Reply
from fsm.explore.calls import Routes, items
from fsm.language.domains import Value
from hosts.rpc import Answer, Call, Failure, HostCalls, Lost, Refused, TermKeeper
from hosts.rpc.client import OK
from hosts.rpc.wire import FIELD_TYPE_ERROR, METHOD_UNKNOWN, STALE_TERM

NEW_TERM = "new_term"
"""The call by which a new master raises its term: it has no effect but that of every call, to make its term known."""

QUESTIONS = frozenset({"ask_ha", "who", "propose", "decide", "commit", "abort", "depose"})
"""What hosts ask that are not master, or not yet. Of a change of master the term that counts is an argument."""

ANEW = "join"
"""The call with which a host's part in HA begins anew: no command from before it is carried out after it."""

PRECONFIGURE = "preconfigure"
"""The call with which an enable begins on a host; it carries the digest of the coordinator's specs."""

OVERTAKEN = "HA_CALL_OVERTAKEN"
SPECS_DIFFER = "HA_HOST_SPECS_DIFFER"
_START_VM = 5.0  # s: a VM starts in milliseconds, and whoever waits longer asks
_JOINING = frozenset({"join", "wait_for_shutdown"})
_LEAVING = frozenset({"disarm", "stop_daemon"})
_NUMBER = re.compile(r"(\d{1,15})\.(\d{1,15})\.(.+)")
_BESIDE = {"start_vm": ("incarnation",), PRECONFIGURE: ("specs",)}
Fate = Answer | Refused | Lost
Handle = Callable[[Call], Awaitable[Answer]]


def specs_digest(node: Node) -> str:
    """What tells the specs of two hosts apart: one digest of those of all their machines."""
    named = "".join(f"{name} {digest}\n" for name, digest in sorted(digests(node).items()))
    return sha256(named.encode()).hexdigest()[:16]


@define(eq=False)
class Lanes:
    """Which calls are too late, at the host that they come to."""

    _lives: dict[int, int] = field(factory=dict, init=False)
    _newest: dict[tuple[int, str], int] = field(factory=dict, init=False)
    _anew: dict[int, int] = field(factory=dict, init=False)

    def admit(self, call: Call) -> None:
        """Take note of a call. Errors: `Failure` for one that was overtaken, or whose number is none."""
        found = _NUMBER.fullmatch(call.number)
        if found is None:
            raise Failure(FIELD_TYPE_ERROR, "number")
        life, count, lane = int(found[1]), int(found[2]), (call.caller, found[3])
        newest = self._lives.get(call.caller, -1)
        if life > newest:
            self._newest = {key: seen for key, seen in self._newest.items() if key[0] != call.caller}
            self._lives[call.caller] = life
            self._anew.pop(call.caller, None)
        former = call.op not in QUESTIONS and count < self._anew.get(call.caller, 0)  # questions are counted apart
        if life < newest or former or count <= self._newest.get(lane, -1):
            raise Failure(OVERTAKEN, call.number)
        self._newest[lane] = count
        if call.op == ANEW:
            self._anew[call.caller] = count


@define(eq=False)
class Serving:
    """The calls that come to this host.

    Arguments:
        node: its machines.
        routes: which of them serves what.
        serve: gives the driver an event that begins a call; awaits its reply.
        expect: told of a VM and the incarnation that the master wants it to start as.
    """

    node: Node
    routes: Routes
    serve: Callable[[Event], Awaitable[Reply]]
    expect: Callable[[str, int], None]
    lanes: Lanes = field(factory=Lanes, init=False)

    async def handle(self, call: Call) -> Answer:
        """Carry out a call. Errors: `Failure` where nothing was done; any other is unknown to the caller."""
        if call.op != NEW_TERM and f"host.{call.op}" not in self.routes.table:
            raise Failure(METHOD_UNKNOWN, f"host.{call.op}")
        self.lanes.admit(call)
        if call.op == NEW_TERM:
            return Answer(OK)
        event = self._event(call)
        if call.op == "start_vm":
            self.expect(str(call.args["vm"]), int(call.args["incarnation"]))
        reply = await self.serve(event)
        return Answer(reply.outcome, reply.payload)

    def _event(self, call: Call) -> Event:
        name = f"host.{call.op}"
        machine = self.routes.table[name][0]
        ports = next(spec.ports for spec in self.node.machines if spec.name == machine)
        declared = ports["host"].operations[call.op].arguments
        wanted = {*declared, *_BESIDE.get(call.op, ())}
        if call.args.keys() != wanted or type(call.args.get("incarnation", 0)) is not int:
            raise Failure(FIELD_TYPE_ERROR, "args")
        if call.op == PRECONFIGURE and call.args["specs"] != specs_digest(self.node):
            raise Failure(SPECS_DIFFER, str(call.args["specs"]), specs_digest(self.node))
        arguments = items({argument: call.args[argument] for argument in declared})
        try:
            return self.routes.event(name, arguments, f"{call.caller}:{call.number}")
        except TypeError:
            raise Failure(FIELD_TYPE_ERROR, "args") from None


@define(eq=False)
class HostPort:
    """The port `host`.

    Arguments:
        node: the machines that call.
        commands, questions: the calls to others, in the term of this host's reign and in the highest known.
        handle: carries out a call to this host itself.
        terms: the highest term known.
        incarnation: gives the next start of a VM its incarnation.
        superseded: told that a command was refused because somebody knows of a higher term.
    """

    node: Node
    commands: HostCalls
    questions: HostCalls
    handle: Handle
    terms: TermKeeper
    incarnation: Callable[[], int]
    superseded: Callable[[], None]

    async def perform(self, operation: Operation) -> Outcome:
        """Call the target, or all of them at once."""
        targets, op, lane = operation.targets or (), operation.name, operation.machine
        arguments = dict(operation.arguments)
        if op == "start_vm":
            arguments["incarnation"] = self.incarnation()
        if op == PRECONFIGURE:
            arguments["specs"] = specs_digest(self.node)
        fates = await asyncio.gather(*(self.call(target, op, arguments, lane) for target in targets))
        if not operation.joined:
            return self._outcome(operation, fates[0])
        bad = frozenset(t for t, fate in zip(targets, fates, strict=True) if self._outcome(operation, fate)[0] != OK)
        return ("some_failed", {"bad": bad}) if bad else ("all_ok", {})

    async def call(self, target: int, op: str, arguments: Mapping[str, Any], lane: str) -> Fate:
        """One call, sent once; but a question that was refused for its term is asked again in a higher one."""
        calls, timeout = self.questions if op in QUESTIONS else self.commands, self._timeout(op)
        if target == calls.me:
            return await self._loop_back(calls, Call(target, calls.number(lane), calls.term(), op, arguments), timeout)
        fate = await calls.call(target, op, arguments, timeout, lane)
        if not await self._outdated(fate):
            return fate
        if op in QUESTIONS:
            return await calls.call(target, op, arguments, timeout, lane)
        if op != NEW_TERM:  # who makes a term known tries again with a higher one
            self.superseded()
        return fate

    def read(self, operation: Operation) -> Outcome:
        """No call is instant."""
        raise AssertionError(f"{operation.name} is not instant")

    def signal(self, signal: Signal) -> None:
        """The port has no signals."""
        raise AssertionError(f"{signal.name} is no signal of host")

    def failure(self, operation: Operation, error: BaseException) -> Outcome:
        """Whatever went wrong, nobody knows what became of the call."""
        return ("some_failed", {"bad": frozenset(operation.targets or ())}) if operation.joined else ("lost", {})

    async def _loop_back(self, calls: HostCalls, call: Call, timeout: float) -> Fate:
        if call.term < self.terms.term:
            self.superseded()
            return Refused(STALE_TERM, (str(call.term), str(self.terms.term)))
        try:
            async with asyncio.timeout(timeout):
                return await self.handle(call)
        except Failure as failure:
            return Refused(failure.code, failure.params)
        except TimeoutError:
            return Lost(True, f"no answer in {timeout:g} s")

    async def _outdated(self, fate: Fate) -> bool:
        """Whether a call was refused for its term; then the higher one is kept here, too."""
        match fate:
            case Refused(code, (_, theirs)) if code == STALE_TERM and theirs.isdecimal():
                await asyncio.to_thread(self.terms.raise_to, int(theirs))
                return True
        return False

    def _outcome(self, operation: Operation, fate: Fate) -> Outcome:
        declared = self.node.layout.instances[operation.machine][0].ports["host"].operations[operation.name].outcomes
        if isinstance(fate, Answer) and fate.outcome in declared:
            fields: Mapping[str, Value] = fate.payload
            domains = declared[fate.outcome]
            if fields.keys() == domains.keys() and all(d.holds(fields[k], self.node.n) for k, d in domains.items()):
                return fate.outcome, fields
        return "lost", {}

    def _timeout(self, op: str) -> float:
        parameters = self.node.parameters
        if op in _JOINING:
            return parameters["join_deadline"] + parameters["T"]
        if op in _LEAVING:
            return 2 * parameters["T"]
        return _START_VM if op == "start_vm" else parameters["T"]
