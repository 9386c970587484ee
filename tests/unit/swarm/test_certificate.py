"""Who a node is, where its engine does not say: the lab's own node in error is not a stranger's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.swarm import members

NODE = "xiz5g4gtwx8vgnqeav4l5a5zy"


def expired() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    names = (NameOID.ORGANIZATION_NAME, "swarm"), (NameOID.COMMON_NAME, NODE)
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in names])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarm-ca")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), 1)
    made = made.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=8))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


class Asked:
    """A machine whose engine says this of its swarm, with that file for a certificate."""

    def __init__(self, swarm: dict[str, Any], file: str) -> None:
        said = {"DockerRootDir": "/data/my docker", "Swarm": swarm}
        self.docker = SimpleNamespace(info=lambda: said)
        self.file = file
        self.asked: list[str] = []

    def run(self, command: str, *_: float, sudo: bool) -> SimpleNamespace:
        assert sudo
        self.asked.append(command)
        return SimpleNamespace(stdout=self.file)


@pytest.mark.parametrize("state", ["error", "locked"])
def test_an_engine_that_does_not_say_its_nodes_id_is_known_by_its_certificate(state: str) -> None:
    machine = Asked({"LocalNodeState": state, "NodeID": ""}, expired())
    assert members.member(machine).node_id == NODE  # type: ignore[arg-type]
    (asked,) = machine.asked
    assert "cat '/data/my docker/swarm/certificates/swarm-node.crt'" in asked


def test_without_a_certificate_nobody_is_taken_for_ours() -> None:
    machine = Asked({"LocalNodeState": "error", "NodeID": ""}, "")
    found = members.member(machine)  # type: ignore[arg-type]
    assert found.node_id == ""
    assert found.never_joined


@pytest.mark.parametrize("file", ["\n", "-----BEGIN CERTIFICATE-----\nMII\n"])
def test_a_certificate_that_cannot_be_read_is_some_nodes(file: str) -> None:
    machine = Asked({"LocalNodeState": "error", "NodeID": ""}, file)
    found = members.member(machine)  # type: ignore[arg-type]
    assert found.node_id == "unknown"
    assert not found.never_joined


def test_an_engine_that_says_it_is_believed() -> None:
    machine = Asked({"LocalNodeState": "active", "NodeID": "a"}, expired())
    assert members.member(machine).node_id == "a"  # type: ignore[arg-type]
    assert machine.asked == []
