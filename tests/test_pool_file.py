"""Pool descriptions: what is read, and the one line that answers whatever is wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm.errors import SpecError
from hosts.errors import PoolError
from hosts.pool_file import HostEntry, PoolFile, VmEntry

DEMO = Path(__file__).parent.parent / "specs" / "pools" / "demo.yaml"


def load(path: Path, text: str) -> PoolFile:
    """The pool described by `text`."""
    file = path / "pool.yaml"
    file.write_text(text)
    return PoolFile.load(file)


def refusal(path: Path, text: str) -> str:
    """The message that answers `text`, without the directory."""
    with pytest.raises(SpecError) as caught:
        load(path, text)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{path}/")


def test_the_example_is_what_its_comments_say() -> None:
    """The shipped example loads: units, defaults, delays and priorities as documented in it."""
    pool = PoolFile.load(DEMO)
    assert pool.name == "demo"
    assert pool.hosts[0] == HostEntry("ash", 6144)
    vms = {vm.name: vm for vm in pool.vms}
    assert vms["database"] == VmEntry("database", 2048, "restart", 1, 0.3)
    assert (vms["reports"].order, vms["ci"].restart_priority, vms["web-1"].memory) == (-1, "best-effort", 512)
    assert [vm.name for vm in pool.vms if not vm.protected] == ["ci", "scratch"]


def test_a_vm_without_priority_gets_the_pools_default(tmp_path: Path) -> None:
    """The default stands for VMs that name none, also when it comes after them; an empty one is a choice."""
    text = "name: p\nhosts: [{name: h, memory: 1024}]\nvms: [{name: a, memory: 1}, {name: b, memory: 1%s}]\n%s"
    pool = load(tmp_path, text % (', restart_priority: ""', "default_restart_priority: best-effort"))
    assert [vm.restart_priority for vm in pool.vms] == ["best-effort", ""]
    assert [vm.restart_priority for vm in load(tmp_path, text % ("", "")).vms] == ["restart", "restart"]


@pytest.mark.parametrize(
    ("memory", "mib"),
    [
        ("512", 512),
        ("512MiB", 512),
        ("4GiB", 4096),
        ("1.5GiB", 1536),
        ("1 TiB", 1048576),
        ("64TiB", 67108864),
    ],
)
def test_memory_is_mib_or_text_with_a_unit(tmp_path: Path, memory: str, mib: int) -> None:
    """Memory in each of its spellings."""
    assert load(tmp_path, f"name: p\nhosts: [{{name: h, memory: {memory}}}]\n").hosts[0].memory == mib


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("0.5s", 0.5), ("250ms", 0.25), ("2min", 120.0), ("3", 3.0), ("0.5", 0.5), ("0s", 0.0)],
)
def test_delays_are_seconds(tmp_path: Path, delay: str, seconds: float) -> None:
    """A start delay in each of its spellings."""
    text = f"name: p\nhosts: [{{name: h, memory: 1}}]\nvms: [{{name: a, memory: 1, start_delay: {delay}}}]\n"
    assert load(tmp_path, text).vms[0].start_delay == seconds


HOST = "name: p\nhosts: [{name: h, memory: 1GiB}]\n"
REFUSED = [
    ("nam: p\n", "1:6: a pool has no key 'nam'; did you mean 'name'? [unknown-key]"),
    ("name: p\n", "1:1: a pool needs the key 'hosts' [missing-key]"),
    ("name: p\nhosts: []\n", "2:8: a pool needs at least one host: [{name: h1, memory: 4GiB}] [no-hosts]"),
    ("name: p\nname: q\n", "2:1: the key 'name' stands here twice; keep one [duplicate-key]"),
    (
        "- a\n",
        "1:1: a pool must be a mapping, not a list; its keys are name, hosts, vms, default_restart_priority "
        "[document-shape]",
    ),
    ("name: p\nhosts: 3\n", "2:8: hosts must be a list, not 3; begin each entry with '- ' [document-shape]"),
    ("name: p\nhosts: [h]\n", "2:9: a host must be a mapping, not 'h'; its keys are name, memory [document-shape]"),
    ("name: p\nhosts:\n- {name: h}\n", "3:3: a host needs the key 'memory' [missing-key]"),
    (
        "name: p\nhosts:\n- {name: h, memory: 1}\n- {name: h, memory: 1}\n",
        "4:10: 'h' is already on line 3; names must differ [duplicate-name]",
    ),
    (
        HOST + "vms: [{name: a, memory: 1, restart_priorty: restart}]\n",
        "3:45: a VM has no key 'restart_priorty'; did you mean 'restart_priority'? [unknown-key]",
    ),
    (
        HOST + "vms: [{name: a, memory: 1, restart_priority: always}]\n",
        "3:46: restart priority is 'always'; write restart, best-effort or \"\" [bad-priority]",
    ),
    (
        HOST + "default_restart_priority: true\n",
        '3:27: restart priority is True; write restart, best-effort or "" [bad-priority]',
    ),
    (
        HOST + "vms: [{name: a, memory: 1, order: 1.5}]\n",
        "3:35: order is 1.5; write a whole number up to 1000000, negative for last [bad-order]",
    ),
    (
        HOST + "vms: [{name: a, memory: 1, order: true}]\n",
        "3:35: order is True; write a whole number up to 1000000, negative for last [bad-order]",
    ),
    (
        HOST + "vms: [{name: a, memory: 1, start_delay: -1}]\n",
        "3:41: start_delay is -1; write text such as 0.5s or 2min, from nothing to an hour [bad-delay]",
    ),
    (
        HOST + "vms: [{name: a, memory: 1, start_delay: 2h}]\n",
        "3:41: start_delay is '2h'; write text such as 0.5s or 2min, from nothing to an hour [bad-delay]",
    ),
    ("", "1:1: the document is empty [document-shape]"),
    ("name: p\n\thosts: []\n", "2:1: indented with a tab; YAML is indented with spaces [tab]"),
    ("name: p\nhosts:\n  \t- a\n", "3:3: indented with a tab; YAML is indented with spaces [tab]"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Each mistake gets one line: where it is, what it is, and what would be right."""
    assert refusal(tmp_path, text) == f"pool.yaml:{message}"


@pytest.mark.parametrize("memory", ["0", "-1", "65TiB", "99999999999999", "0.5MiB", "4GB", "true", "[1]", "null", "x"])
def test_absurd_memory_is_refused(tmp_path: Path, memory: str) -> None:
    """Nothing, negative, more than 64 TiB, a part of a MiB, an unknown unit: all refused in one way."""
    message = refusal(tmp_path, f"name: p\nhosts:\n- name: h\n  memory: {memory}\n")
    assert message.startswith("pool.yaml:4:")
    assert message.endswith("[bad-memory]")


@pytest.mark.parametrize("name", ["A", "a b", "a/b", "../x", '""', "-rf", "a" * 33, "ä", "7", "[a]", '"a\\n"'])
def test_names_are_safe_in_paths_and_lines(tmp_path: Path, name: str) -> None:
    """A name becomes a file name and a word of a line: only a-z, 0-9 and "-" are taken."""
    for text in (
        f"name: {name}\nhosts: [{{name: h, memory: 1}}]\n",
        f"name: p\nhosts: [{{name: {name}, memory: 1}}]\n",
    ):
        assert "[bad-name]" in refusal(tmp_path, text)


def test_too_many_hosts_are_refused_at_the_first_too_many(tmp_path: Path) -> None:
    """64 hosts are a pool, 65 are not, and the 65th is the place of the message."""
    lines = [f"- {{name: h{n}, memory: 1}}" for n in range(65)]
    assert len(load(tmp_path, "name: p\nhosts:\n" + "\n".join(lines[:64])).hosts) == 64
    message = refusal(tmp_path, "name: p\nhosts:\n" + "\n".join(lines))
    assert message == "pool.yaml:67:3: 65 hosts; a pool has at most 64 [too-many]"


def test_aliases_and_depth_cannot_blow_it_up(tmp_path: Path) -> None:
    """A YAML bomb and a tower of brackets are refused before anything is built from them."""
    assert "[yaml-sharing]" in refusal(tmp_path, "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n")
    assert "[too-deep]" in refusal(tmp_path, "name: " + "[" * 40000)


def test_ten_megabytes_are_refused_within_a_second(tmp_path: Path) -> None:
    """Size is looked at before parsing, so a wrong path costs nothing."""
    began = time.monotonic()
    message = refusal(tmp_path, "- {name: h, memory: 1}\n" * 450_000)
    assert time.monotonic() - began < 1
    assert message == "pool.yaml:1:1: more than 131072 bytes; give a pool description [too-large]"


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A missing file, a directory, a pipe and bytes that are no text: one line each, and nobody waits."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"name: p\nhosts: \xe4\n")
    said = {}
    for name in ("missing", "pipe", "latin", "."):
        with pytest.raises(SpecError) as caught:
            PoolFile.load(tmp_path / name)
        said[name] = str(caught.value).removeprefix(f"{tmp_path}")
    assert said == {
        "missing": "/missing:1:1: No such file or directory; give a readable pool description [unreadable]",
        "pipe": "/pipe:1:1: not a regular file; give a pool description in YAML [unreadable]",
        "latin": "/latin:2:8: not UTF-8; save it as UTF-8 [unreadable]",
        ".": ":1:1: not a regular file; give a pool description in YAML [unreadable]",
    }


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["restart", "h", "4GiB", "1s"])


def entries(part: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Mappings with the keys of a pool file."""
    keys = st.sampled_from(["name", "hosts", "vms", "memory", "order", "start_delay", "restart_priority"])
    return st.dictionaries(keys, part, max_size=4)


trees = st.recursive(scalars, lambda part: st.lists(part, max_size=3) | entries(part), max_leaves=12)


@settings(max_examples=50)
@given(text=st.text(max_size=60) | trees.map(repr).map(lambda text: text.replace("None", "null")))
def test_garbage_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever the file holds, the answer is a pool or one line; nothing else escapes."""
    file = tmp_path_factory.getbasetemp() / "garbage.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    answer = ""
    try:
        PoolFile.load(file)
    except SpecError as error:
        answer = str(error)
    assert "\n" not in answer


def test_the_default_pool_shows_what_there_is() -> None:
    """Three order groups, a delay and one best-effort VM; two hosts or VMs more change no name."""
    pool = PoolFile.default(3, 6)
    assert [host.name for host in pool.hosts] == ["host1", "host2", "host3"]
    assert [vm.order for vm in pool.vms if vm.protected] == [0, 0, 1, 1, 2]
    assert [vm.name for vm in pool.vms if not vm.protected] == ["vm6"]
    assert pool.vms[0].start_delay > 0
    assert [vm.protected for vm in PoolFile.default(1, 1).vms] == [True]


@pytest.mark.parametrize(("hosts", "vms"), [(0, 1), (65, 1), (-3, 1), (1, -1), (1, 1001)])
def test_a_default_pool_out_of_bounds_is_refused(hosts: int, vms: int) -> None:
    """The numbers of the command line get the same answer as a file: one line with what would be right."""
    with pytest.raises(PoolError, match="a pool has"):
        PoolFile.default(hosts, vms)
