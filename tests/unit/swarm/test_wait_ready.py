"""A node that does not become healthy is named, with what to do about it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provision.support.errors import MachineError
from provision.support.progress import Progress
from provision.swarm import converge
from provision.swarm.members import Member

NAMES = ("machine1", "machine2")


def late(monkeypatch: pytest.MonkeyPatch, state: str, absent: list[str]) -> str:
    """What is said where machine2 is in that state and lacks those networks."""
    machines: dict[str, Any] = {
        name: SimpleNamespace(
            name=name, plan=SimpleNamespace(role="any"), daemon_log=lambda _: "logged"
        )
        for name in NAMES
    }
    states = {"machine1": "ready", "machine2": state}
    nodes = [{"ID": name, "Status": {"State": states[name]}} for name in NAMES]
    monkeypatch.setattr(converge, "nodes_of", lambda _: nodes)
    monkeypatch.setattr(
        converge, "member", lambda machine: Member("active", machine.name, False, "", "c")
    )
    monkeypatch.setattr(
        converge,
        "missing_networks",
        lambda machine: absent if machine.name == "machine2" else [],
    )
    with pytest.raises(MachineError) as caught:
        converge.wait_ready(machines, machines["machine1"], Progress(), 0)
    return caught.value.report()


def test_a_node_that_is_down_is_named_and_up_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    said = late(monkeypatch, "down", [])
    assert "machine2 is down (its daemon logged: logged)" in said
    assert "Run inv up again" in said
    assert "restart docker" not in said


def test_an_engine_that_could_not_make_its_networks_is_to_be_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a full disk; when there is room again it does not try again by itself."""
    said = late(monkeypatch, "ready", ["ingress"])
    assert "machine2 is without its network ingress" in said
    assert "sudo systemctl restart docker on machine2" in said
    assert "machine1" not in said
