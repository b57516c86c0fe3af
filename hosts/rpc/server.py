"""The server of one host: lets in who knows the pool's secret, refuses what must be refused, asks the agent.

What it does with a call between hosts (`host.OP`), in this order:
1. no valid session, not meant for this host, or of wrong types: refused;
2. from a host that is cut off (an injected partition): the connection is dropped, nothing is done or said;
3. a higher term than ours: kept on disk before anything else happens;
4. a session from before `begin_anew`: refused. What was sent under it may have dawdled in the network while this host
   was out of the liveset, and its caller counts on that it was not carried out;
5. a lower term: refused;
6. a number that this caller has used before: refused. A call is sent once, so it can only be a mistake, and
   carrying it out twice is the one thing that must not happen. Keeping the first answers to repeat them would
   serve nobody;
7. the agent's handler gets it, and its answer goes back, unless the caller was cut off meanwhile.

Between the last look at the term and the first line of the handler nothing else can run: a call is never
started in a term that this host has left. A caller that goes away does not stop what it started here (the
host's machines decide what ends a call); only `stop` does, as the death of the process would.

Any other method is looked up in the public table and called with its parameters, without a term.

Clients have PATIENCE seconds for the headers of a request, for its body and for taking the answer; a handler
has as long as it needs, since a call such as host.join lasts until the host has joined.
"""

from __future__ import annotations

import asyncio
import errno
import hmac
import inspect
import logging
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hosts.errors import PoolError
from hosts.rpc import wire
from hosts.rpc.terms import TermKeeper
from hosts.rpc.wire import Address, Answer, Call, Failure, Malformed, Request

if TYPE_CHECKING:
    from aiohttp.web import BaseRequest, ServerRunner, StreamResponse

Handler = Callable[[Call], Awaitable[Answer]]
Public = Mapping[str, Callable[..., Awaitable[Any]]]

_BACKLOG = 128  # twenty connections at once overflow a backlog of 5, and each lost one costs a second
_STOP_SECONDS = 0.2
_MAX_SESSIONS = 1024
_MAX_NUMBERS = 4096

log = logging.getLogger(__name__)


class RpcServer:
    """The API of host `me` (an index) of a pool of `hosts` hosts.

    `handle` carries out calls between hosts; it may raise Failure where it has done nothing. `public` has the
    other calls by name: coroutine functions of JSON values that return one, or raise Failure. What either
    raises besides becomes INTERNAL_ERROR and one line in the log. `cut` is the set of hosts whose calls are
    dropped: it is looked at again for every call, so its owner changes it while the server runs.
    """

    def __init__(
        self,
        me: int,
        hosts: int,
        secret: str,
        terms: TermKeeper,
        handle: Handler,
        public: Public,
        cut: Set[int],
    ) -> None:
        self._me = me
        self._hosts = hosts
        self._terms = terms
        self._handle = handle
        self._public = public
        self._cut = cut
        self._sessions = _Sessions(secret)
        self._numbers: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._running: set[asyncio.Task[Any]] = set()
        self._runner: ServerRunner | None = None

    async def start(self, address: Address) -> Address:
        """Listen at `address` and return the address with its port.

        Raises PoolError when that is impossible, for example because another program listens there.
        """
        from aiohttp import web

        # What is not even HTTP gets a 400 from aiohttp: no reason for a traceback in the host's log.
        quiet = logging.getLogger(__name__ + ".http")
        quiet.setLevel(logging.CRITICAL + 1)
        # keepalive_timeout ends every wait for a request: for the first, for the next, and for half of one.
        server = web.Server(
            self._serve,
            access_log=None,
            logger=quiet,
            keepalive_timeout=wire.PATIENCE,
            lingering_time=_STOP_SECONDS,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_STOP_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, address.host, address.port, backlog=_BACKLOG).start()
        except OSError as error:
            await runner.cleanup()
            raise PoolError(_cannot_listen(address, error)) from None
        self._runner = runner
        return Address(*runner.addresses[0][:2])

    def begin_anew(self) -> None:
        """From now on calls between hosts count under sessions only that are opened after this. A caller that still
        waits opens one and repeats its request, which has done nothing; a request that nobody waits for is lost."""
        self._sessions.epoch += 1

    async def stop(self) -> None:
        """Close every connection and cancel every call that is being carried out, as the end of the process
        would.
        """
        runner, self._runner = self._runner, None
        for task in self._running:
            task.cancel()
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: BaseRequest) -> StreamResponse:
        from aiohttp import web

        status, body = await self._reply(request)
        if body is None and request.transport is not None:
            request.transport.abort()
        # Exactly this type, without a charset: XenAPI's clients take anything else for "no JSON here".
        response = web.Response(body=body, status=status, content_type="application/json")
        try:
            async with asyncio.timeout(wire.PATIENCE):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _reply(self, http: BaseRequest) -> tuple[int, bytes | None]:
        """The status and the body of the response; no body: drop the connection."""
        if http.path != wire.PATH:
            return 404, wire.write_malformed(Malformed(wire.INVALID_REQUEST, f"Invalid Request: POST to {wire.PATH}"))
        if http.method != "POST":
            return 405, wire.write_malformed(Malformed(wire.INVALID_REQUEST, "Invalid Request: use POST"))
        status, body = await _read_body(http)
        if status != 200:
            return status, wire.write_malformed(Malformed(wire.INVALID_REQUEST, f"Invalid Request: {body.decode()}"))
        try:
            request = wire.read_request(body)
        except Malformed as error:
            return 200, wire.write_malformed(error)
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            result = await self._dispatch(request)
            return 200, None if result is _DROPPED else wire.write_result(request.ident, result)
        except Failure as failure:
            return 200, wire.write_failure(request.ident, failure)
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
            log.error("%s: %s", request.method, told, exc_info=log.isEnabledFor(logging.DEBUG))
            return 200, wire.write_failure(request.ident, Failure(wire.INTERNAL_ERROR, told))
        finally:
            self._running.discard(task)

    async def _dispatch(self, request: Request) -> Any:
        if request.method == "session.login_with_password":
            return self._sessions.login(request)
        self._sessions.check(request)
        if request.method == "session.logout":
            return self._sessions.logout(request)
        if request.method.startswith("host."):
            return await self._host_call(request)
        function = self._public.get(request.method)
        if function is None:
            raise Failure(wire.METHOD_UNKNOWN, request.method)
        _check_count(request, function)
        return await function(*request.params[1:])

    async def _host_call(self, request: Request) -> Any:
        call = wire.read_call(request, self._me, self._hosts)
        if call.caller in self._cut:
            return _DROPPED
        await self._keep_term(call)
        self._sessions.check_new(request)
        self._admit(call)
        answer = await self._handle(call)
        if call.caller in self._cut:
            return _DROPPED
        return {"outcome": answer.outcome, "payload": answer.payload}

    async def _keep_term(self, call: Call) -> None:
        """Keep a higher term than ours on disk. Raises Failure where that is impossible."""
        if call.term > self._terms.term:
            try:
                await asyncio.to_thread(self._terms.raise_to, call.term)
            except PoolError as error:
                raise Failure(wire.TERM_NOT_KEPT, str(error)) from None

    def _admit(self, call: Call) -> None:
        """Raise Failure unless `call` may be started now."""
        if call.term < self._terms.term:
            raise Failure(wire.STALE_TERM, str(call.term), str(self._terms.term))
        mark = (call.caller, call.number)
        if mark in self._numbers:
            raise Failure(wire.CALL_REPEATED, call.number)
        self._numbers[mark] = None
        if len(self._numbers) > _MAX_NUMBERS:
            self._numbers.popitem(last=False)


_DROPPED = object()


class _Sessions:
    """Who has shown the pool's secret, and in which epoch. The session used longest ago makes room; its owner logs in
    again."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._refs: OrderedDict[str, int] = OrderedDict()
        self.epoch = 0

    def login(self, request: Request) -> str:
        """Return a new session for the user "pool" and the secret; clients add a version and their name to
        these.
        """
        if not 2 <= len(request.params) <= 4:
            raise Failure(wire.PARAMETER_COUNT, request.method, "2", str(len(request.params)))
        user, secret = request.params[:2]
        if not isinstance(user, str) or not isinstance(secret, str):
            raise Failure(wire.FIELD_TYPE_ERROR, "pwd" if isinstance(user, str) else "uname")
        # In constant time: how long a refusal takes says nothing of how much of the secret was right.
        if not hmac.compare_digest(secret.encode(), self._secret) or user != wire.POOL_USER:
            raise Failure(wire.AUTHENTICATION_FAILED, user, "the user is pool, the password the pool's secret")
        ref = f"OpaqueRef:{uuid.uuid4()}"
        self._refs[ref] = self.epoch
        if len(self._refs) > _MAX_SESSIONS:
            self._refs.popitem(last=False)
        return ref

    def check(self, request: Request) -> None:
        ref = request.params[0] if request.params else ""
        if not isinstance(ref, str) or ref not in self._refs:
            raise Failure(wire.SESSION_INVALID, ref if isinstance(ref, str) else "")
        self._refs.move_to_end(ref)

    def check_new(self, request: Request) -> None:
        """Raise Failure for a session of an earlier epoch, or one that has ended meanwhile."""
        if self._refs.get(request.params[0]) != self.epoch:
            raise Failure(wire.SESSION_INVALID, str(request.params[0]))

    def logout(self, request: Request) -> str:
        del self._refs[request.params[0]]
        return ""  # XenAPI's void


async def _read_body(http: BaseRequest) -> tuple[int, bytes]:
    """200 and the body; or another status and what is wrong."""
    from aiohttp import ClientError
    from aiohttp.web import RequestPayloadError

    body = bytearray()
    try:
        async with asyncio.timeout(wire.PATIENCE):
            async for chunk in http.content.iter_any():
                body += chunk
                if len(body) > wire.MAX_BODY:
                    return 413, b"more than %d bytes" % wire.MAX_BODY
    except TimeoutError:
        return 408, b"the body took longer than %d s" % wire.PATIENCE
    except (RequestPayloadError, ClientError, OSError):
        return 400, b"the body ended too early or is encoded wrongly"
    return 200, bytes(body)


def _check_count(request: Request, function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters
    with suppress(TypeError):
        inspect.signature(function).bind(*request.params[1:])
        return
    raise Failure(wire.PARAMETER_COUNT, request.method, str(len(parameters) + 1), str(len(request.params)))


def _cannot_listen(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{address}: another program listens there; stop it or give this host another port"
    reason = error.strerror or str(error)
    return f"{address}: cannot listen there: {reason}; give this host an address of this machine and a free port"
