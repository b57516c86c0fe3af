"""Calls to other hosts, and exactly what is known of a call that got no answer.

A call between hosts ends as one of three:
- Answer: it was carried out there, with this outcome;
- Refused: it was not carried out (a stale term, a busy machine, ...);
- Lost: no answer. `sent` is False only while no connection to the host was ever made for it: a refused
  connection, a login that got no answer. Else it may have happened, or be running there still after the
  caller gave up: *unknown*. The rule is to ask that host, or to wait until it is fenced, never to send the
  call again; so nothing here does.

After SESSION_INVALID (the host restarted) the client logs in and repeats the request: that one was refused at
the door, so it is not sent twice to the agent behind it.

A host in `cut` is one that an injected partition has taken away: nothing is sent to it, and what it answers
is not heard. The caller then waits as long as it would for a silent network and knows as little.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping, Set
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from hosts.rpc import wire
from hosts.rpc.wire import Address, Answer, Failure, Lost, Refused, Unanswered

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

OK = "ok"
"""The outcome of a call between hosts that counts as a success in a fan-out."""


@define
class _Flight:
    """One request under way: `connected` once bytes of it may have left."""

    connected: bool = False


class Door:
    """The API of one host as its clients see it: it logs in when needed, and keeps the session and the
    connection.

    Used by the agents for their calls and by whoever makes a public call (the demo, the commands of an
    operator).
    """

    def __init__(self, address: Address, secret: str) -> None:
        self._url = f"http://{address}{wire.PATH}"
        self._address = address
        self._secret = secret
        self._http: ClientSession | None = None
        self._session: str | None = None
        self._login = asyncio.Lock()
        self._idents = itertools.count(1)

    async def request(self, method: str, *params: Any, timeout: float) -> Any:
        """Call `method` with `params` after the session; return its result, a JSON value with sets of hosts.

        `timeout` is in seconds, for everything together. Raises Failure when the server refuses or fails,
        Unanswered when there is no answer to believe.
        """
        flight = _Flight()
        try:
            async with asyncio.timeout(timeout):
                session = await self._logged_in(None)
                try:
                    return await self._post(flight, method, session, *params)
                except Failure as failure:
                    if failure.code != wire.SESSION_INVALID:
                        raise
                flight.connected = False
                session = await self._logged_in(session)
                return await self._post(flight, method, session, *params)
        except TimeoutError:
            raise Unanswered(flight.connected, f"{self._address}: no answer to {method} in {timeout:g} s") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _logged_in(self, stale: str | None) -> str:
        """The session; a new one when there is none but `stale`. Twenty calls at once log in once."""
        async with self._login:
            if self._session == stale or self._session is None:
                self._session = None
                try:
                    ref = await self._post(_Flight(), "session.login_with_password", wire.POOL_USER, self._secret)
                except Unanswered as lost:
                    raise Unanswered(False, lost.why) from None  # a login got lost, not the call behind it
                self._session = str(ref)
            return self._session

    async def _post(self, flight: _Flight, method: str, *params: Any) -> Any:
        import aiohttp

        ident = next(self._idents)
        body = wire.write_request(ident, method, params)
        if self._http is None:
            self._http = _http_session()
        try:
            # No redirects: they would carry the secret to wherever somebody says.
            async with self._http.post(
                self._url, data=body, trace_request_ctx=flight, allow_redirects=False
            ) as response:
                return wire.read_result(await _read_body(response), ident)
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            why = f"{self._address}: {method} got no answer: {str(error) or type(error).__name__}"
            raise Unanswered(flight.connected, why) from None
        except ValueError as error:
            why = f"{self._address}: the answer to {method} cannot be read: {error}"
            raise Unanswered(flight.connected, why) from None


@frozen
class Joined:
    """What became of the same call to several hosts: `bad` are those whose answer is not ok, for whatever
    reason.
    """

    all_ok: bool
    bad: frozenset[int]
    answers: Mapping[int, Answer | Refused | Lost]


@define
class HostCalls:
    """The calls of host `me` to the hosts of its pool, `addresses` by index.

    `term` gives the term in which this host acts now. `cut` is the set of hosts that cannot be reached (an
    injected partition), looked at for every call; what those in `deaf` answer is lost. `incarnation` tells the
    calls of this process from those before its restart. Use it within one event loop.
    """

    me: int
    addresses: Mapping[int, Address]
    secret: str = field(repr=False)
    term: Callable[[], int]
    cut: Set[int]
    incarnation: str = field(factory=lambda: secrets.token_hex(8))
    deaf: Set[int] = frozenset()
    _doors: dict[int, Door] = field(init=False, factory=dict)
    _numbers: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1))

    def number(self, lane: str) -> str:
        """The number of the next call, higher than all before it of this incarnation: "incarnation.count.lane"."""
        return f"{self.incarnation}.{next(self._numbers)}.{lane}"

    async def call(
        self, target: int, op: str, args: Mapping[str, Any], timeout: float, lane: str = "any"
    ) -> Answer | Refused | Lost:
        """Make the call `op` with `args` to host `target`, once; raises nothing that the network could cause.

        `timeout` is in seconds, for login, call and answer together. The number and the term are taken before
        the first byte is sent: a call that was decided in one reign never goes out in the name of the next.
        `lane` names who calls in this host: of one lane a target takes no call that a later one has overtaken.
        """
        number = self.number(lane)
        term = self.term()
        clock = asyncio.get_running_loop()
        until = clock.time() + timeout
        fate: Answer | Refused | Lost = Lost(True, f"host {target} is cut off")
        if target not in self.cut:
            fate = await self._fate(target, op, (target, self.me, number, term, args), timeout)
        if target not in self.cut and target not in self.deaf:
            return fate
        await asyncio.sleep(until - clock.time())
        return Lost(True, f"host {target} is cut off")

    async def each(self, targets: Iterable[int], op: str, args: Mapping[str, Any], timeout: float) -> Joined:
        """Make the same call to every host of `targets` at once; return when the last one has its fate."""
        hosts = sorted(set(targets))
        fates = await asyncio.gather(*(self.call(host, op, args, timeout) for host in hosts))
        answers = dict(zip(hosts, fates, strict=True))
        bad = frozenset(h for h, fate in answers.items() if not isinstance(fate, Answer) or fate.outcome != OK)
        return Joined(not bad, bad, answers)

    async def close(self) -> None:
        """Close every connection; calls under way are lost."""
        doors, self._doors = self._doors, {}
        for door in doors.values():
            await door.close()

    async def _fate(self, target: int, op: str, params: tuple[Any, ...], timeout: float) -> Answer | Refused | Lost:
        door = self._doors.get(target)
        if door is None:
            door = self._doors[target] = Door(self.addresses[target], self.secret)
        try:
            result = await door.request(f"host.{op}", *params, timeout=timeout)
        except Unanswered as lost:
            return Lost(lost.sent, lost.why)
        except Failure as failure:
            if failure.code == wire.INTERNAL_ERROR:
                return Lost(True, str(failure))  # its handler broke off: nobody knows how far it had come
            return Refused(failure.code, failure.params)
        try:
            return wire.read_answer(result)
        except ValueError as error:
            return Lost(True, f"{self.addresses[target]}: the answer to host.{op} cannot be read: {error}")


def _http_session() -> ClientSession:
    import aiohttp

    async def connected(_: ClientSession, context: Any, __: Any) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return aiohttp.ClientSession(
        # No limit: calls that wait for a host that hangs must not keep a later one from being sent.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=wire.IDLE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json"},
        trace_configs=[trace],
    )


async def _read_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > wire.MAX_BODY:
            raise ValueError(f"it has more than {wire.MAX_BODY} bytes")
    return bytes(body)
