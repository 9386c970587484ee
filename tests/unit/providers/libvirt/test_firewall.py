"""What a host's packet filter does with machines' packets, read from its rules."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.diagnostics import doctor, uplink
from provision.lab import load
from provision.providers.backend import Hindrance
from provision.providers.libvirt import firewall
from provision.providers.libvirt.backend import Libvirt
from provision.support.errors import MachineError

DOCKER = """-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-FORWARD
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
"""
# libvirt's rules with its iptables backend.
LIBVIRT = """-N LIBVIRT_FWI
-N LIBVIRT_FWO
-A FORWARD -j LIBVIRT_FWI
-A FORWARD -j LIBVIRT_FWO
-A LIBVIRT_FWI -d 10.9.8.0/24 -o virbr3 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A LIBVIRT_FWO -s 10.9.8.0/24 -i virbr3 -j ACCEPT
-A LIBVIRT_FWO -i virbr3 -j REJECT --reject-with icmp-port-unreachable
"""
Host = Callable[..., None]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with these rules; what is empty is not installed, or not for this user to ask."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(firewall, "_SEARCH", f"{os.pathsep}{tmp_path}")
    monkeypatch.setattr(firewall, "FORWARDS", tmp_path / "ip_forward")
    monkeypatch.setattr(firewall, "DOCKERS", tmp_path / "docker0")

    def make(rules: str = "", nft: bool = False, zone: str = "", forwards: str = "1") -> None:
        (tmp_path / "ip_forward").write_text(f"{forwards}\n")
        programs = {
            "iptables": f"cat <<'END'\n{rules}END\n" if rules else "exit 4\n",
            "nft": "exit 0\n" if nft else "exit 1\n",
            "firewall-cmd": f"case $1 in --state) echo running;; *) echo {zone};; esac\n"
            if zone
            else "echo not running; exit 252\n",
        }
        for name, does in programs.items():
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{does}")
            program.chmod(0o755)

    return make


def found(bridge: str = "virbr3") -> list[str]:
    return [f"{one.what} | {one.advice}" for one in firewall.hindrances(bridge) if one.certain]


def test_docker_that_drops_what_machines_send_is_named_with_the_commands(host: Host) -> None:
    host(DOCKER, nft=True)
    (line,) = found()
    assert "Docker on this host drops what machines send out" in line
    assert "sudo iptables -I DOCKER-USER -i virbr3 -j ACCEPT; " in line
    assert "-I DOCKER-USER -o virbr3 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" in line


def test_before_the_first_machine_any_bridge_of_libvirt_is_meant(host: Host) -> None:
    host(DOCKER, nft=True)
    (line,) = found("")
    assert "-I DOCKER-USER -i virbr+ -j ACCEPT" in line


@pytest.mark.parametrize(
    ("rules", "nft", "bridge"),
    [
        (DOCKER.replace("FORWARD DROP", "FORWARD ACCEPT"), True, "virbr3"),
        (DOCKER + LIBVIRT, False, "virbr3"),
        (DOCKER + LIBVIRT, False, ""),
        # Which tables libvirt will use is not known yet.
        (DOCKER, False, ""),
        (DOCKER + "-A DOCKER-USER -i virbr3 -j ACCEPT\n", True, "virbr3"),
        (DOCKER + "-A DOCKER-USER -i virbr+ -j ACCEPT\n", True, "virbr3"),
        (DOCKER + "-A DOCKER-USER -i virbr+ -j ACCEPT\n", True, ""),
        (DOCKER + '-A FORWARD -i virbr3 -m comment --comment "a lab" -j ACCEPT\n', True, "virbr3"),
        (DOCKER + "-A FORWARD -j ACCEPT\n", True, "virbr3"),
    ],
)
def test_machines_that_are_let_through_are_no_finding(
    host: Host, rules: str, nft: bool, bridge: str
) -> None:
    host(rules, nft)
    assert found(bridge) == []


@pytest.mark.parametrize(
    "rule",
    [
        "-A DOCKER-USER -i virbr4 -j ACCEPT",
        "-A DOCKER-USER ! -i virbr3 -j ACCEPT",
        "-A DOCKER-USER -i virbr3 -o tun0 -j ACCEPT",
        "-A DOCKER-USER -i virbr3 -m conntrack --ctstate ESTABLISHED -j ACCEPT",
        "-A UNREACHED -i virbr3 -j ACCEPT",
        "-A INPUT -i virbr3 -j ACCEPT",
    ],
)
def test_a_rule_about_something_else_lets_nothing_through(host: Host, rule: str) -> None:
    host(f"{DOCKER}{rule}\n", nft=True)
    assert len(found()) == 1


def test_another_firewall_with_that_policy_is_named_as_one(host: Host) -> None:
    host("-P FORWARD DROP\n")
    (line,) = found()
    assert line.startswith("a firewall on this host drops")
    assert "sudo iptables -I FORWARD -i virbr3 -j ACCEPT" in line


@pytest.mark.parametrize(("zone", "named"), [("public", True), ("libvirt", False), ("", False)])
def test_a_bridge_in_the_wrong_zone_of_firewalld_is_named(
    host: Host, zone: str, named: bool
) -> None:
    host(zone=zone)
    lines = found()
    assert bool(lines) == named
    if named:
        assert "sudo firewall-cmd --zone=libvirt --change-interface=virbr3" in lines[0]


def test_a_host_that_forwards_nothing_is_named(host: Host) -> None:
    host(forwards="0")
    assert "sudo sysctl -w net.ipv4.ip_forward=1" in found()[0]


@pytest.mark.parametrize("docker", [True, False])
def test_where_only_root_may_see_the_rules_docker_is_named_as_likely(
    host: Host, docker: bool
) -> None:
    """As an answer to machines that reach nothing; `inv doctor` does not guess."""
    host()
    if docker:
        firewall.DOCKERS.mkdir()
    lines = [one for one in firewall.hindrances("virbr3") if not one.certain]
    assert len(lines) == docker
    assert all("look: sudo iptables -S FORWARD" in one.advice for one in lines)
    assert found() == []


@pytest.fixture
def dropping(monkeypatch: pytest.MonkeyPatch) -> None:
    drops = [Hindrance("Docker drops it", "Allow it: sudo iptables")]
    monkeypatch.setattr(Libvirt, "hindrances", lambda *_: drops)


APT = "machine1: install Docker with apt-get: E: Failed to fetch http://deb.debian.org"


@pytest.mark.usefixtures("dropping")
@pytest.mark.parametrize(
    ("provider", "said", "named"),
    [
        ("libvirt", APT, True),
        ("libvirt", "Temporary failure resolving 'deb.debian.org'", True),
        ("libvirt", "dial tcp 10.0.0.1:443: i/o timeout", True),
        ("libvirt", "no space left on device", False),
        ("hosts", APT, False),
        ("virtualbox", APT, False),
    ],
)
def test_package_sources_are_not_blamed_for_this_hosts_packet_filter(
    tmp_path: Path, provider: str, said: str, named: bool
) -> None:
    (tmp_path / "lab.toml").write_text("")
    lab = load.load(tmp_path / "lab.toml")
    with pytest.raises(MachineError) as caught, uplink.explaining(lab, provider):
        raise MachineError(said, "Fix its package sources.")
    assert str(caught.value).startswith(said)
    assert ("Docker drops it" in str(caught.value)) == named
    advice = "Allow it: sudo iptables. Then run" if named else "Fix its package sources."
    assert caught.value.advice.startswith(advice)


@pytest.mark.usefixtures("dropping")
def test_doctor_looks_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab.toml").write_text('provider = "libvirt"\n')
    monkeypatch.setattr(Libvirt, "missing", lambda _: "")
    monkeypatch.setattr(Libvirt, "acceleration", lambda *_: None)
    monkeypatch.setattr(doctor, "_clashes", lambda *_: [])
    lines = doctor.examine(load.load(tmp_path / "lab.toml"), fresh=False)
    (finding,) = (one for one in lines if one.what == "Docker drops it")
    assert (finding.state, finding.advice) == ("warning", "Allow it: sudo iptables")
