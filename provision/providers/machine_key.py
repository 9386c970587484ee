"""The key that logs in to a lab's machines, where they have it from their start on.

Else Vagrant logs in with a key that everybody knows, and replaces it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import paramiko

from provision.support.files import write_atomic

# In the lab's state folder, beside the Vagrantfile, which names them so.
NAME, PUBLIC = "machine_key", "machine_key.pub"
_BITS = 3072


def keep(state: Path) -> str:
    """Make the lab's key where there is none yet; its public half, as sshd reads it."""
    file = state / NAME
    if not file.is_file():
        # RSA is what every Vagrant reads: its SSH library needs others for Ed25519, and fails with
        # ECDSA keys (net-ssh 7.0).
        text = StringIO()
        paramiko.RSAKey.generate(_BITS).write_private_key(text)
        write_atomic(file, text.getvalue(), mode=0o600)
    key = paramiko.RSAKey.from_private_key_file(os.fspath(file))
    public = f"{key.get_name()} {key.get_base64()}"
    write_atomic(state / PUBLIC, f"{public}\n")
    return public


def ssh_config(state: Path, ends: Mapping[str, tuple[str, int]], user: str) -> str:
    """How OpenSSH reaches machines that have the lab's key: `ends` are address and port by name."""
    key = str(state / NAME)
    quoted = f'"{key}"' if " " in key else key
    return "\n".join(
        f"Host {name}\n  HostName {host}\n  Port {port}\n  User {user}\n"
        f"  IdentityFile {quoted}\n  IdentitiesOnly yes\n"
        for name, (host, port) in ends.items()
    )
