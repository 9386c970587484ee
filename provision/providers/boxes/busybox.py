"""The image that a built box carries: busybox, and named so. Written without a Docker daemon.

Source of the archive's format: https://github.com/moby/docker-image-spec (docker save, v1.2).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from provision.support.tools import run_tool

REPOSITORY = "swarmrig/busybox"
_ARCHITECTURES = {"amd64": "amd64", "arm64": "arm64"}


def tag_for(version: str) -> str:
    """The image's name for a busybox version such as "1.35.0"."""
    return f"{REPOSITORY}:{version}"


def write_archive(busybox: Path, target: Path, tag: str, architecture: str = "amd64") -> str:
    """Write a `docker load`able archive of a static busybox; the image's id ("sha256:…").

    The same busybox gives the same bytes, and so the same id, on every host.
    """
    layer = _layer(busybox)
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES[architecture],
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "swarmrig: busybox"}],
        },
        sort_keys=True,
    ).encode()
    image_id = _sha256(config)
    manifest = json.dumps(
        [{"Config": f"{image_id}.json", "RepoTags": [tag], "Layers": ["layer/layer.tar"]}]
    ).encode()
    with tarfile.open(target, "w") as archive:
        for name, content in (
            (f"{image_id}.json", config),
            ("layer/layer.tar", layer),
            ("manifest.json", manifest),
        ):
            _add(archive, name, content, 0o644)
    return f"sha256:{image_id}"


def _layer(busybox: Path) -> bytes:
    listed = run_tool([str(busybox), "--list"])
    listed.check_returncode()
    applets = listed.stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777)):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, mode
            layer.addfile(info)
        _add(layer, "bin/busybox", busybox.read_bytes(), 0o755)
        _add(layer, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n", 0o644)
        _add(layer, "etc/group", b"root:x:0:\n", 0o644)
        for applet in sorted(set(applets) - {"busybox"}):
            info = tarfile.TarInfo(f"bin/{applet}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            layer.addfile(info)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
