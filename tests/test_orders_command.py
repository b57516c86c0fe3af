"""The orders of `liveset`: each is one call to the agent of one host, and its answer is the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from hosts import cli, status_command
from hosts.agent.alerts_port import PROMISE, SWITCHED_OFF
from hosts.agent.public import Public
from hosts.daemon.notices import ALONE
from hosts.orders_command import ORDERS
from hosts.pool_dir import PoolDir
from hosts.pool_file import PoolFile
from hosts.rpc import Door, Unanswered


@define
class Agents:
    """The agents of a pool, of which host 1 acts as master; what they are asked, by port."""

    answer: dict[str, Any] = field(factory=lambda: {"accepted": True, "why": "as you wish"})
    asked: list[tuple[int, str, tuple[Any, ...]]] = field(factory=list)
    silent: bool = False


@pytest.fixture
def pool(tmp_path: Path) -> PoolDir:
    """A pool that nobody runs."""
    return PoolDir.create(tmp_path / "p", PoolFile.default(3, 2), 2.0)


@pytest.fixture
def agents(pool: PoolDir, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """Agents that take every order."""
    found = Agents()
    ports = [host.agent for host in pool.hosts]

    async def request(door: Door, method: str, *params: Any, timeout: float) -> Any:
        index = ports.index(door._address.port)
        if found.silent:
            raise Unanswered(False, "nobody listens")
        if method == "pool.status":
            return {"index": index, "acting": index == 1}
        found.asked.append((index, method, params))
        return found.answer

    monkeypatch.setattr(Door, "request", request)
    return found


@pytest.mark.parametrize(
    ("words", "call"),
    [
        (["enable", "POOL"], (1, "pool.enable_ha", ())),
        (["disable", "POOL", "host3"], (2, "pool.disable_ha", ())),
        (["prevent-restarts", "POOL", "--seconds", "60"], (1, "pool.prevent_restarts", (60.0,))),
        (["shutdown", "POOL", "host2", "--reboot"], (1, "Host.shutdown", (True,))),
        (["shutdown", "POOL", "host2", "--check"], (1, "Host.may_shut_down", ())),
        (["emergency-disable", "POOL", "host1", "--soft"], (0, "Host.emergency_disable", (True,))),
        (["emergency-disable", "POOL", "host1", "--force", PROMISE], (0, "Host.force_out", (PROMISE,))),
        (["rejoin", "POOL", "host1"], (0, "Host.rejoin", ())),
        (["clear-exclusion", "POOL", "host1", "--force", ALONE], (0, "Host.clear_exclusion", (ALONE,))),
        (["hand-over", "POOL", "host1"], (0, "pool.hand_over", ())),
        (
            ["hand-over", "POOL", "host1", "--down", "host3", "--force", SWITCHED_OFF],
            (0, "pool.force_master", ([2], SWITCHED_OFF)),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_an_order_is_one_call(
    words: list[str], call: tuple[Any, ...], pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the host that is named, or to the master; its sentence is printed, and accepted is 0, refused 1."""
    words = [str(pool.path) if word == "POOL" else word for word in words]
    assert cli.main(words) == 0
    assert agents.asked == [call]
    assert capsys.readouterr().out == f"host{call[0] + 1}: as you wish\n"
    agents.answer = {"accepted": False, "why": "refused, HA_IS_ENABLED: HA is on already"}
    assert cli.main(words) == 1
    assert capsys.readouterr().out.endswith("HA_IS_ENABLED: HA is on already\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["enable", "/nowhere"], "/nowhere/pool.json: there is no pool here; name the directory of one"),
        (["rejoin", "POOL", "oak"], "POOL: no host 'oak'; there are host1, host2, host3"),
        (["hand-over", "POOL", "host1", "--down", "oak"], "--down oak: no such host; there are host1, host2, host3"),
        (["hand-over", "POOL", "host1", "--down", "host2"], "--down: in order, every host must answer"),
        (["emergency-disable", "POOL", "host1", "--soft", "--force", "x"], "--force: what is forced is not soft"),
        (["prevent-restarts", "POOL", "--seconds", "nan"], "--seconds nan: how long restarts are to be held back"),
        (["rejoin", "POOL", "host1"], "host1: nobody listens; its log is POOL/hosts/host1/supervisor.log"),
        (["disable", "POOL"], "POOL: nobody acts as master; `liveset status` shows who answers"),
    ],
)
def test_an_order_that_cannot_be_given_is_one_line(
    words: list[str], message: str, pool: PoolDir, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    """No pool, no such host, options that exclude each other, no answer: the place, the remedy, and exit 2."""
    agents.silent = True
    assert cli.main([str(pool.path) if word == "POOL" else word for word in words]) == 2
    told = capsys.readouterr()
    assert told.err.replace(str(pool.path), "POOL").startswith(message)
    assert (told.out, told.err.count("\n"), agents.asked) == ("", 1, [])


def test_status_tells_what_an_operator_may_have_forgotten(
    pool: PoolDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hosts that were taken out, softly or for good, restarts that are held back, and VMs that would find no place."""
    calm = {"life": "running", "daemon": "live", "live": [0, 1], "vms": {}, "ha": "on", "acting": False}
    calm |= {"withdrawn": False, "hold": "free", "overcommitted": None, "warnings": []}
    master = calm | {"acting": True, "hold": "held", "overcommitted": True}
    seen = {"host1": master, "host2": calm | {"life": "out"}, "host3": calm | {"life": "plain", "withdrawn": True}}

    async def answers(_: PoolDir) -> dict[str, Any]:
        return seen

    monkeypatch.setattr(status_command, "ask", answers)
    assert cli.main(["status", str(pool.path)]) == 0
    told = capsys.readouterr().out.splitlines()[-4:]
    assert told == [
        "host1 starts no VM: an operator holds restarts back.",
        "Not all protected VMs would find a place after another failure.",
        "host2 was taken out of HA by an operator; `liveset rejoin` puts it back.",
        "host3 was taken out of HA by an operator; `liveset rejoin` puts it back.",
    ]
    seen.update({name: {"acting": True} for name in seen})
    assert cli.main(["status", str(pool.path)]) == 2
    assert capsys.readouterr().err.endswith("install one version everywhere\n")
    seen.update(dict.fromkeys(seen, calm))
    assert cli.main(["status", str(pool.path)]) == 1
    assert "operator" not in capsys.readouterr().out


@pytest.mark.parametrize("name", sorted(ORDERS))
def test_every_order_is_a_command_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line knows all orders, each with its help."""
    with pytest.raises(SystemExit):
        cli.main([name, "--help"])
    assert f"example: liveset {name} /tmp/liveset-k3n/pool" in capsys.readouterr().out


def test_every_call_of_an_order_is_one_of_the_agent(pool: PoolDir) -> None:
    """What the commands ask for exists."""
    public = Public(agent=None)  # type: ignore[arg-type]
    parser = cli.COMMAND_LINE.parser()
    for name, order in ORDERS.items():
        words = [name, "p", "host1", *(["--seconds", "1"] if name == "prevent-restarts" else [])]
        method, _ = order.call(parser.parse_args(words), ["host1"])
        assert method in public.methods()
