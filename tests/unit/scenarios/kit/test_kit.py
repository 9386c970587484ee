"""What scenarios are written with, as far as it can be seen without a machine."""

from __future__ import annotations

import io
from pathlib import Path

import docker
import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.utils import wrpcap

from provision.lab.load import load
from provision.machine.machine import Result
from provision.support.errors import UserError
from scenarios.evidence import capture, encapsulation
from scenarios.evidence.ping import read_ping
from scenarios.kit import discovery, runner, services, step
from scenarios.overlay import overlay
from scenarios.record import model

CLONE = Path(__file__).parents[4]

REPLIES = """PING alpine-overlay1 (172.45.0.10): 56 data bytes
64 bytes from 172.45.0.10: seq=0 ttl=64 time=0.314 ms
64 bytes from 172.45.0.10: seq=1 ttl=64 time=0.274 ms

--- alpine-overlay1 ping statistics ---
2 packets transmitted, 2 packets received, 0% packet loss
round-trip min/avg/max = 0.274/0.290/0.314 ms
"""
SILENCE = """PING alpine-overlay1 (172.45.0.10): 56 data bytes

--- alpine-overlay1 ping statistics ---
2 packets transmitted, 0 packets received, 100% packet loss
"""


def ping(stdout: str) -> model.Ping:
    result = Result("machine1", "ping", stdout, "", 0, "", 0.1)
    return read_ping(result, "t", "alpine-overlay1", "name")


def test_a_ping_is_read() -> None:
    seen = ping(REPLIES)
    assert (seen.address, seen.sent, seen.received) == ("172.45.0.10", 2, 2)
    assert seen.rtts_ms == [0.314, 0.274]


def test_a_ping_without_an_answer_still_tells_what_the_name_is() -> None:
    seen = ping(SILENCE)
    assert (seen.address, seen.sent, seen.received, seen.rtts_ms) == ("172.45.0.10", 2, 0, [])


@pytest.mark.parametrize("text", ["ping: bad address 'x'\n", ""])
def test_a_ping_that_never_began_sent_nothing(text: str) -> None:
    assert (ping(text).sent, ping(text).address) == (0, "")


def test_only_icmp_of_the_right_network_and_addresses_counts(tmp_path: Path) -> None:
    def frame(vni: int, source: str, destination: str, kind: int) -> Ether:
        inner = Ether() / IP(src=source, dst=destination) / ICMP(type=kind)
        outer = Ether() / IP(src="10.77.0.1", dst="10.77.0.2") / UDP(sport=5, dport=4789)
        return outer / VXLAN(vni=vni) / inner

    frames = [
        frame(4097, "172.45.0.3", "172.45.0.6", 8),
        frame(4098, "172.45.0.3", "172.45.0.6", 8),
        frame(4097, "172.45.0.9", "172.45.0.6", 8),
        frame(4097, "172.45.0.6", "172.45.0.3", 0),
    ]
    wrpcap(str(tmp_path / "in.pcap"), frames)

    class Box:
        name = "machine1"

    live = capture._Live(Box(), "eth1", io.BytesIO((tmp_path / "in.pcap").read_bytes()))  # type: ignore[arg-type]
    seen = capture.read_capture(live, encapsulation.VXLAN, tmp_path, "out.pcap")
    assert seen.total == 4
    assert capture.crossings(seen, "echo request", "172.45.0.3", "172.45.0.6", 4097) == 1
    assert capture.crossings(seen, "echo reply", "172.45.0.6", "172.45.0.3", 4097) == 1
    assert capture.crossings(seen, "echo reply", "172.45.0.6", "172.45.0.3", 4096) == 0
    assert seen.packets[0].outer_source == "10.77.0.1"
    assert (tmp_path / "out.pcap").is_file()


def task(state: str, error: str = "") -> dict[str, object]:
    return {"ID": "abc", "NodeID": "n", "Status": {"State": state, "Err": error}}


def test_a_failed_task_is_trouble_unless_another_runs() -> None:
    assert "no such image" in services.trouble([task("rejected", "no such image")])
    assert services.trouble([task("rejected", "no such image"), task("running")]) == ""
    assert services.trouble([task("preparing")]) == ""


def test_a_pending_task_tells_why_it_is_not_placed() -> None:
    assert "no suitable node" in services.trouble([task("pending", "no suitable node")])


def test_a_service_is_told_by_its_newest_task() -> None:
    tasks = [task("failed", "exit 1"), task("preparing")]
    assert services.progress(tasks, "web").strip() == "web: preparing"
    assert services.progress([], "web") == ""


def test_names_are_filled_in_and_go_templates_left_alone() -> None:
    assert runner.fill("docker inspect {task1}", {"task1": "x"}) == "docker inspect x"
    assert runner.fill("docker inspect {task1}", {}) == "docker inspect <task1>"
    assert runner.fill("--format '{{.Name}}'", {}) == "--format '{{.Name}}'"


def test_the_overlay_exercise_has_all_its_steps_in_order() -> None:
    assert [plan.number for plan in overlay.steps] == [str(n) for n in range(1, 18)]


def test_a_dry_run_tells_every_step_and_command() -> None:
    told: list[str] = []
    runner.dry_run(overlay, load(CLONE / "lab.toml"), told.append)
    assert sum(". " in line[:5] for line in told) == 17
    assert any("docker network create -d overlay --subnet 172.45.0.0/16" in t for t in told)


def test_scenarios_are_found_by_being_there() -> None:
    assert discovery.found()["overlay"] is overlay
    with pytest.raises(UserError, match="no scenario 'weaver'"):
        discovery.get("weaver")


class Vanishing:
    """An engine that lists a network and a container which are gone when they are looked at."""

    def __init__(self) -> None:
        self.name = "machine1"
        self.docker = docker.DockerClient(base_url="http://localhost:1", version="1.41")
        self.docker.api.networks = lambda **_: [{"Id": "n1", "Name": "overlaynet1"}]  # type: ignore[method-assign]
        self.docker.api.containers = lambda **_: [{"Id": "c1"}]  # type: ignore[method-assign]
        self.docker.api.inspect_network = self._gone  # type: ignore[method-assign]
        self.docker.api.inspect_container = self._gone  # type: ignore[method-assign]

    def _gone(self, *_: object, **__: object) -> None:
        raise docker.errors.NotFound("no such thing")


def test_what_goes_while_it_is_looked_at_is_gone_and_no_error() -> None:
    machine = Vanishing()
    looking = step.Step(None, None, [machine])  # type: ignore[arg-type, list-item]
    assert looking.containers("alpine-overlay1") == []
    assert looking.network("overlaynet1") == {}
