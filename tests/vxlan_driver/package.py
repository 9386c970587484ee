"""The test driver as an archive that `docker plugin create` takes: config.json and rootfs/.

Its root is a few Debian packages, unpacked once and cached outside the clone.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import tarfile
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from provision.support import cache
from tests.support import debian
from tests.vxlan_driver import driver

NAME = "swarmrig/test-driver:latest"
PORT = driver.PORT
CONFIG = Path(__file__).parent / "config.json"
_PACKAGES = ("python3", "iproute2", "iptables")
_LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/*/gconv/*",
    "/usr/lib/python3*/test/*",
    "/usr/lib/python3*/pydoc_data/*",
)


def settings(addresses: Iterable[str]) -> dict[str, str]:
    """The plugin's settings, the same on every node, from the underlay addresses of all nodes."""
    return {"PEERS": ",".join(addresses)}


def vni_of(network: dict[str, object]) -> int:
    """The VNI of a network of this driver, from `docker network inspect`."""
    options = network["Options"]
    assert isinstance(options, dict)
    return int(options[driver.VNI])


# Found once: tests give themselves another home, where no cache is.
@functools.cache
def _root() -> Path:
    """The packages, unpacked."""
    return debian.root("driver-root", _PACKAGES, "extract", left_out=_LEFT_OUT)


@functools.cache
def archive() -> Path:
    """The plugin, as a tar.gz of about 17 MB; built again when the driver has changed."""
    root = _root()
    own = [CONFIG, Path(driver.__file__)]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in own) + str(root).encode())
    target = cache.folder() / f"driver-{key.hexdigest()[:12]}.tar.gz"
    with FileLock(f"{target}.lock"):
        if not target.is_file():
            half = target.with_suffix(".half")
            with (
                gzip.open(half, "wb", compresslevel=6) as zipped,
                tarfile.open(fileobj=zipped, mode="w") as tar,
            ):
                tar.add(own[0], "config.json")
                tar.add(root, "rootfs", filter=_plain)
                tar.add(own[1], "rootfs/driver.py")
            half.rename(target)
    return target


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Without device files: the engine makes a plugin's /dev."""
    return None if info.isdev() else info
