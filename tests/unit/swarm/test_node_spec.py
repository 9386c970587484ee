"""A node's spec is changed though the swarm writes to the node at the same time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from provision.swarm import node_spec


class Manager:
    """A manager of a node that the swarm itself changes `writes` times after it was read."""

    def __init__(self, writes: int = 0, refusal: str = "") -> None:
        self.docker = SimpleNamespace(nodes=self)
        self.spec = {"Role": "manager", "Availability": "active"}
        self.writes, self.refusal = writes, refusal
        self.reads = self.updates = 0

    def get(self, _: str) -> SimpleNamespace:
        self.reads += 1
        return SimpleNamespace(attrs={"Spec": dict(self.spec)}, update=self.update)

    def update(self, spec: dict[str, Any]) -> None:
        self.updates += 1
        if self.refusal:
            raise docker.errors.APIError(self.refusal)
        if self.reads <= self.writes:
            self.spec["Labels"] = "written meanwhile"
            raise docker.errors.APIError("rpc error: code = Unknown desc = update out of sequence")
        self.spec = spec


def test_one_that_was_read_too_early_is_read_again() -> None:
    manager = Manager(writes=2)
    node_spec.change(manager, "id", Availability="drain")  # type: ignore[arg-type]
    assert manager.spec["Availability"] == "drain"
    assert manager.spec["Labels"] == "written meanwhile"


def test_what_is_so_already_is_left_alone() -> None:
    manager = Manager()
    node_spec.change(manager, "id", Role="manager")  # type: ignore[arg-type]
    assert manager.updates == 0


def test_another_refusal_is_told_at_once() -> None:
    manager = Manager(refusal="attempting to demote the last manager of the swarm")
    with pytest.raises(docker.errors.APIError, match="last manager"):
        node_spec.change(manager, "id", Role="worker")  # type: ignore[arg-type]
    assert manager.updates == 1
