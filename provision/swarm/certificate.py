"""A node's certificate, which says who it is where its engine does not."""

from __future__ import annotations

import contextlib
import shlex

from cryptography import x509
from cryptography.x509.oid import NameOID

from provision.machine.machine import Machine

UNKNOWN = "unknown"


def node_id(machine: Machine) -> str:
    """The node's id as the machine's certificate has it, valid or not; "" where there is none.

    One that cannot be read is a node's all the same: its id is UNKNOWN.

    An engine whose swarm is locked or in error does not say it, and without it nobody knows whose
    membership that is. Source: swarmkit, ca/certificates.go: the common name is the node's id.
    """
    file = f"{machine.docker.info()['DockerRootDir']}/swarm/certificates/swarm-node.crt"
    at = shlex.quote(file)
    # One that is there prints a line at least, whatever is in it.
    text = machine.run(f"test ! -e {at} || {{ cat {at}; echo; }}", 30, sudo=True).stdout
    with contextlib.suppress(ValueError, IndexError):
        subject = x509.load_pem_x509_certificate(text.encode()).subject
        return str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return UNKNOWN if text else ""
