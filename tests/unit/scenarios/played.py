"""Recorded runs of the scenarios, played without machines."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import tenacity
import tenacity.nap

from provision.lab.model import Lab, MachineSpec, PluginSpec
from scenarios.attachable import attachable
from scenarios.bridge import bridge
from scenarios.cut import cut
from scenarios.dnsrr import dnsrr
from scenarios.encrypted import encrypted
from scenarios.evidence.encapsulation import VXLAN, Carried, Encapsulation, vxlan
from scenarios.failover import failover
from scenarios.frozen import frozen
from scenarios.host import host
from scenarios.ipv6 import ipv6
from scenarios.ipvlan import ipvlan
from scenarios.kit import holding, runner
from scenarios.kit.scenario import Scenario
from scenarios.kit.setup import Setup
from scenarios.lossy import lossy
from scenarios.macvlan import macvlan
from scenarios.narrow import narrow
from scenarios.networks import networks
from scenarios.none import none
from scenarios.overlay import overlay
from scenarios.publish import publish
from scenarios.quorum import quorum
from scenarios.record import model
from scenarios.slow import slow
from scenarios.spread import spread
from scenarios.vip import vip
from scenarios.wrong_clock import wrong_clock
from tests.support.tape import Tape, played
from tests.unit.sample_record import ping_output
from tests.vxlan_driver import package
from tests.vxlan_driver.scenario import DRIVER, cut_tunnel, exercise, tunnel

TAPES = Path(__file__).parent / "tapes"
TYPED = Path(__file__).parent / "typed"
Change = Callable[[Tape], object]


@dataclass(frozen=True)
class Played:
    """A scenario as its tape has it, and what is changed on the tape before it is played.

    A scenario over a plugin is recorded with the test driver, whose steps are the same.
    """

    scenario: Scenario
    tape: Path
    change: Change = lambda _: None

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.tape.read_text())
        return found

    def record(self) -> model.Record:
        """The record that the run had when it was recorded."""
        return model.Record.model_validate(self.document()["record"])


def with_ipvs(tape: Tape) -> None:
    """As it would have been on a kernel that has IPVS: virtual addresses answer there."""
    for key, answers in list(tape.answers.items()):
        step, ended, machine, request = key.split("|", 3)
        if "modprobe -n -q ip_vs" in request:
            tape.answers[key] = [{**one, "out": "yes\n"} for one in answers]
        elif " ping -c 3 -w 8 -W 1 alpine-overlay" in request:
            tape.answers[key] = [_answered(one) for one in answers]
        elif " nc -w 5 172." in request or " nc -l -p 7701 " in request:
            # The transfer to the name is that to the address, on another port.
            service = "alpine-overlay1" if step == "14" else "alpine-overlay2"
            address = request.partition(" nc -w 5 ")[2].partition(" ")[0]
            named = request.replace(address, service) if address else request
            tape.answers[f"{step}|{ended}|{machine}|{named.replace('7701', '7702')}"] = answers


def _answered(ping: dict[str, Any]) -> dict[str, Any]:
    """A ping's output with an answer to each packet."""
    words = ping["out"].split()
    out = ping_output(words[1], words[2].strip("():"), [0.12, 0.1, 0.11])
    return {**ping, "out": out, "code": 0}


def sealed(tape: Tape) -> None:
    """As if the driver's connections were encrypted, by its own words."""
    for key, answers in tape.answers.items():
        if "docker plugin inspect" in key:
            tape.answers[key] = [
                {**one, "out": one["out"].replace(" clear", " sealed")} for one in answers
            ]


def _unreadable(_: PluginSpec) -> Encapsulation:
    """The test driver's packets, taken for what nobody can read; others on UDP 4789 can be."""
    how = vxlan(package.PORT)

    def decode(packet: Any) -> Carried | None:
        return Carried("sealed") if how.decode(packet) else VXLAN.decode(packet)

    return dataclasses.replace(how, name="sealed", decode=decode, encrypted=True)


_SEALED = exercise(dataclasses.replace(DRIVER, encapsulation=_unreadable))

# By the scenario's name, with another name where a tape is played in another way as well.
PLAYED = {
    "overlay": Played(overlay, TAPES / "overlay.json"),
    "overlay with IPVS": Played(overlay, TAPES / "overlay.json", with_ipvs),
    "spread": Played(spread, TAPES / "spread.json"),
    "failover": Played(failover, TAPES / "failover.json"),
    "frozen": Played(frozen, TAPES / "frozen.json"),
    "lossy": Played(lossy, TAPES / "lossy.json"),
    "narrow": Played(narrow, TAPES / "narrow.json"),
    "quorum": Played(quorum, TAPES / "quorum.json"),
    "cut": Played(cut, TAPES / "cut.json"),
    "cut_weave": Played(cut_tunnel, TAPES / "cut_weave.json"),
    "weave": Played(tunnel, TAPES / "weave.json"),
    "bridge": Played(bridge, TAPES / "bridge.json"),
    "attachable": Played(attachable, TAPES / "attachable.json"),
    "none": Played(none, TAPES / "none.json"),
    "host": Played(host, TAPES / "host.json"),
    "macvlan": Played(macvlan, TAPES / "macvlan.json"),
    "ipv6": Played(ipv6, TAPES / "ipv6.json"),
    "networks": Played(networks, TAPES / "networks.json"),
    "vip": Played(vip, TAPES / "vip.json"),
    "encrypted": Played(encrypted, TAPES / "encrypted.json"),
    "publish": Played(publish, TAPES / "publish.json"),
    "ipvlan": Played(ipvlan, TAPES / "ipvlan.json"),
    "slow": Played(slow, TAPES / "slow.json"),
    "wrong_clock": Played(wrong_clock, TAPES / "wrong_clock.json"),
    "dnsrr": Played(dnsrr, TAPES / "dnsrr.json"),
    "weave encrypted": Played(_SEALED, TAPES / "weave.json", sealed),
}


class Clock:
    """A clock that waiting moves on at once: what was recorded does not change by itself."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def lab_of(document: dict[str, Any], folder: Path) -> Lab:
    """The lab that the run was recorded on."""
    settings = document.get("plugin")
    plugin = PluginSpec(package.NAME, _archive(folder), settings) if settings else None
    # What was typed by hand has no record: its lab is that of the light hosts.
    record = document.get("record", {"lab": "t"})
    return Lab(
        name=record["lab"],
        file=folder / "lab.toml",
        provider=document.get("provider", "hosts"),
        box="auto",
        box_version=None,
        machines=tuple(MachineSpec(**machine) for machine in document["machines"]),
        subnet="10.77.0.0/24",
        management_subnet="192.168.121.0/24",
        docker_version="distribution",
        image=document["image"],
        weave=plugin,
    )


def _archive(folder: Path) -> Path:
    """The test driver's archive without what is in it: it goes to no engine here."""
    file = folder / "plugin.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        config = package.CONFIG.read_bytes()
        info = tarfile.TarInfo("config.json")
        info.size = len(config)
        tar.addfile(info, io.BytesIO(config))
        root = tarfile.TarInfo("rootfs")
        root.type = tarfile.DIRTYPE
        tar.addfile(root)
    return file


def play(one: Played, folder: Path, change: Change = lambda _: None) -> model.Record:
    """The record of the run, judged again from what was recorded; `change` breaks that before.

    `folder` has to be a new one: what a run leaves there counts in the next one.
    """
    document = one.document()
    tape = Tape.read(document)
    one.change(tape)
    change(tape)
    lab = lab_of(document, folder)
    machines = {m.name: played(m, tape, document["api"]) for m in lab.machines}
    with tape.steps() as before_step:
        setup = Setup(
            lab=lab,
            machines=machines,
            image=document["image"],
            provider=document.get("provider", "hosts"),
            folder=folder / "report",
            tell=lambda _: None,
            before_step=before_step,
        )
        clock = Clock()
        with (
            mock.patch.object(tenacity, "time", clock),
            mock.patch.object(tenacity.nap, "time", clock),
            mock.patch.object(holding, "collected", tape.collected),
        ):
            return runner.run(one.scenario, setup)


# The kernel of the hosts on which it was recorded has no IPVS.
SKIPPED = {
    "overlay": {
        "14: replies arrive from alpine-overlay1",
        "14: 256 KiB sent by TCP to alpine-overlay1 arrive unchanged",
        "15: replies arrive from alpine-overlay2",
        "15: 256 KiB sent by TCP to alpine-overlay2 arrive unchanged",
    }
}


def skipped(record: model.Record) -> set[str]:
    """Expectations that were skipped, with their step's number."""
    return {
        f"{s.number}: {e.what}" for s in record.steps for e in s.expectations if e.passed is None
    }


def failed(record: model.Record) -> list[str]:
    """Expectations that failed, and steps that ended in error, with their step's number."""
    errors = [f"{s.number}: error {s.reason}" for s in record.steps if s.state == "error"]
    return errors + [
        f"{s.number}: {e.what}" for s in record.steps for e in s.expectations if e.passed is False
    ]
