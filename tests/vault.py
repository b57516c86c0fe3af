"""A vault with a bolt: a system and a model, small enough that the fate of every mutant can be thought through."""

from __future__ import annotations

from pathlib import Path

PORTS = {
    "ports/bolt.yaml": """
language: 1
port: bolt
essay: The bolt of the vault.
operations:
  turn: {idempotent: true, outcomes: {turned: {}, stuck: {}}}
signals: {chime: {}}
""",
    "ports/host.yaml": """
language: 1
port: host
essay: What may be asked from outside.
operations:
  ask: {to: host, idempotent: true, outcomes: {yes: {}, no: {}, failed: {}}}
""",
}
MACHINE = """
language: 1
machine: vault
essay: It is noted that the vault is to be opened before the bolt is turned, so that whoever starts again can know.
ports: [bolt, host]
serves: {host.ask: {busy: refuse}}
variables:
  meant: {type: bool, store: host, initial: false, why: "it is to be open"}
  tried: {type: bool, store: memory, initial: false, why: "the bolt was stuck"}
events: {push: {}, pull: {}}
initial: shut
states: [{closed: [shut, opening]}, wide]
rows:
- {from: shut, on: push, if: "not meant", to: opening, do: bolt.turn, set: {meant: true, tried: false}, why: "a guest"}
- {from: shut, on: push, if: else, to: shut, set: {meant: false}, why: "it was left half open"}
- {from: opening, on: bolt.turned, to: wide, tell: bolt.chime, why: "it is open"}
- {from: opening, on: bolt.stuck, to: shut, set: {meant: false, tried: true}, tell: bolt.chime, why: "it is frozen"}
- {from: wide, on: pull, to: shut, set: {meant: false}, why: "somebody shuts it"}
- {from: closed, on: host.ask, to: same, reply: no, why: "it is not open"}
- {from: wide, on: host.ask, to: same, reply: yes, why: "it is open"}
ignore:
- {in: [opening, wide], on: [push], why: "it is being opened"}
- {in: [shut, opening], on: [pull], why: "there is nothing to pull"}
"""
SYSTEM = """
language: 1
system: vaults
essay: A vault, and somebody who pushes and pulls; whoever guards it may forget everything.
world: any
hosts: 1
machines: [vault]
faults: {restart: any}
operator: {vault.push: any, vault.pull: any}
sets: {opening: "vault == opening", meant: "vault_meant", wide: "vault == wide", shut: "vault == shut"}
properties:
  noted: {always: "empty((opening | wide) - meant)", why: "what is opened was noted before"}
  opens: {reachable: "wide == everybody", why: "it can be opened"}
  left: {reachable: "shut & meant == everybody", why: "it can be left half open, and nobody remembers"}
  again: {recoverable: "wide == everybody or meant == nobody", counting_on: [restart], why: "it does not stay so"}
"""
MODEL = """
language: 1
model: jar
essay: A jar of two litres that leaks.
variables:
  level: {type: "0..2", initial: "0"}
  wet: {type: bool}
faults: {leak: any, quake: 1}
actions:
- {action: fill, if: "level < 2 and not wet", set: {level: "level + 1"}, why: "one litre"}
- {action: pour, if: "level == 2", set: {level: "0", wet: "true"}, why: "all of it"}
- {action: wipe, if: "wet and level == 0", set: {wet: "false"}, why: "dry it"}
- {action: leak, if: "level > 0", set: {level: "level - 1"}, fault: leak, why: "it has a crack"}
- {action: quake, if: "level > 2", set: {level: "0"}, fault: quake, why: "it never is so full"}
properties:
  dry: {always: "not wet or level == 0", why: "it is wiped before it is filled"}
  full: {reachable: "level == 2", why: "it can be full"}
"""


def written(folder: Path) -> Path:
    """The folder with all of it; the system is `systems/vaults.yaml`, the model `jar.yaml`."""
    files = {**PORTS, "machines/vault.yaml": MACHINE, "systems/vaults.yaml": SYSTEM, "jar.yaml": MODEL}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
