"""A real registry between the hosts: Debian's docker-registry, unpacked and not installed.

Installed it would start a service of its own on every address of this machine.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from provision.support import cache
from tests.hosts.light_hosts import Fabric

ADDRESS = ("10.77.0.254", 5000)
NAME = f"{ADDRESS[0]}:{ADDRESS[1]}"


@functools.cache
def binary() -> Path:
    """The registry's program, kept outside the clone. To be called where packages can be had."""
    target = cache.folder() / "docker-registry"
    with FileLock(f"{target}.lock"):
        if target.is_file():
            return target
        with tempfile.TemporaryDirectory(dir="/var/tmp") as text:
            folder = Path(text)
            folder.chmod(0o755)
            for argv in (
                ["apt-get", "download", "-q", "docker-registry"],
                ["sh", "-c", "dpkg-deb -x docker-registry_*.deb root"],
            ):
                subprocess.run(argv, cwd=folder, check=True, capture_output=True)
            shutil.move(folder / "root" / "usr" / "bin" / "docker-registry", target)
        return target


@contextlib.contextmanager
def serving(fabric: Fabric, folder: Path) -> Iterator[str]:
    """The registry's name while it serves the hosts; what it keeps is in `folder`."""
    config = folder / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/blobs}}}}\n"
        f"http: {{addr: '{NAME}'}}\n"
    )
    program = binary()
    with fabric.entered():
        process = subprocess.Popen(
            [program, "serve", config],
            stdin=subprocess.DEVNULL,
            stdout=(folder / "registry.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        for attempt in Retrying(
            stop=stop_after_delay(20),
            wait=wait_fixed(0.2),
            retry=retry_if_exception_type(OSError),
            reraise=True,
        ):
            with attempt, socket.create_connection(ADDRESS, 1):
                pass
    try:
        yield NAME
    finally:
        process.terminate()
        process.wait(20)
