"""A node's certificate, which says who it is where its engine does not."""

from __future__ import annotations

import contextlib
import shlex

from cryptography import x509
from cryptography.x509.oid import NameOID

from provision.machine.machine import Machine


def node_id(machine: Machine) -> str:
    """The node's id as the machine's certificate has it, valid or not; "" where there is none.

    An engine whose swarm is locked or in error does not say it, and without it nobody knows whose
    membership that is. Source: swarmkit, ca/certificates.go: the common name is the node's id.
    """
    file = f"{machine.docker.info()['DockerRootDir']}/swarm/certificates/swarm-node.crt"
    text = machine.run(f"cat {shlex.quote(file)}", 30, sudo=True).stdout
    with contextlib.suppress(ValueError, IndexError):
        subject = x509.load_pem_x509_certificate(text.encode()).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return ""
