"""The image that machines are made of: in the engine, in this user's cache, or built now."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from filelock import FileLock

from provision.lab.proxy import NAMES as PROXY_NAMES
from provision.providers.boxes import carried, tools
from provision.providers.containers import engine, recipe
from provision.support import architecture, cache
from provision.support.errors import MachineError, UserError

_WHAT = "The machines' image"


@dataclass(frozen=True)
class Image:
    """An image in the engine: its name and version, and how it came there."""

    name: str
    version: str
    why: str


def ready(suite: str, log: Callable[[str], None]) -> Image:
    """The machines' image in the engine, whole or not at all; the first time takes minutes.

    Raises UserError where it can be built in no way, MachineError with the failing tool's words.
    """
    version = recipe.version(suite)
    with FileLock(cache.folder() / "machine-image.lock"):
        if _in_engine(suite):
            return Image(recipe.NAME, version, "the engine has it already")
        obstacle = "" if _cached(suite).is_file() else _no_mmdebstrap()
        if obstacle:
            log(f"building the machines' image with docker build ({obstacle})")
            _docker_build(suite)
            return Image(recipe.NAME, version, "built with docker build")
        root = file_system(suite, log)
        log("importing the machines' image into the engine")
        _import(suite, root)
        return Image(recipe.NAME, version, "built from Debian's packages")


def file_system(suite: str, log: Callable[[str], None]) -> Path:
    """A machine's file system as a compressed tar, built unless it lies in the cache already.

    Raises MachineError with mmdebstrap's own words.
    """
    with FileLock(cache.folder() / "machine-file-system.lock"):
        root = _cached(suite)
        if not root.is_file():
            log("building the machines' image from Debian's packages (a minute or two)")
            _build(suite, root)
        return root


def _in_engine(suite: str) -> bool:
    return bool(engine.listed("image", "inspect", recipe.reference(suite)))


def _cached(suite: str) -> Path:
    folder = cache.folder() / "machine-images"
    folder.mkdir(exist_ok=True)
    name = f"{suite}-{architecture.debian_architecture()}-{recipe.version(suite)}.tar.gz"
    return folder / name


# -- from Debian's packages -------------------------------------------------------------------


def _no_mmdebstrap() -> str:
    """Why the image cannot be built without a registry, in words; "" where it can."""
    if platform.system() != "Linux":
        return "mmdebstrap runs on Linux only"
    if not shutil.which("mmdebstrap"):
        return "mmdebstrap is not installed"
    return "" if os.geteuid() == 0 else "mmdebstrap makes device nodes, which needs root"


def _build(suite: str, target: Path) -> None:
    """A root file system as a compressed tar, with the scenario image inside it."""
    with TemporaryDirectory(dir=target.parent, prefix="building-") as made:
        work = Path(made)
        work.chmod(0o755)
        (work / "finish.sh").write_text(recipe.FINISH, encoding="utf-8")
        folder = work / "carried"
        folder.mkdir()
        root = work / "root.tar"
        to = quote(str(work))
        options = [
            *(f"--dpkgopt=path-exclude=/usr/share/{what}/*" for what in ("doc", "man", "locale")),
            f'--customize-hook=chroot "$1" sh < {to}/finish.sh',
            f'--customize-hook=cp "$1"/usr/bin/busybox "$1"/var/lib/dpkg/status {to}/',
        ]
        command = tools.mmdebstrap(suite, recipe.packages(suite), str(root), options)
        tools.run(command, work / "mmdebstrap.log", _WHAT)
        _carry(suite, work / "busybox", work / "status", folder)
        with tarfile.open(root, "a") as tar:
            tar.add(folder, f".{recipe.CARRIED}", filter=_of_root)
        tools.run(["gzip", "-1", str(root)], work / "gzip.log", _WHAT)
        packed = work / "root.tar.gz"
        packed.replace(target)


def _carry(suite: str, binary: Path, status: Path, folder: Path) -> None:
    """What a machine carries: the scenario image, made of its own busybox, and its name."""
    tag = carried.image(binary, status.read_text(encoding="utf-8"), folder)
    carried.about(folder, recipe.version(suite), tag, suite)


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.isdir() else 0o644
    return member


def _import(suite: str, root: Path) -> None:
    """Source: https://docs.docker.com/reference/cli/docker/image/import/"""
    changes = (f"CMD {json.dumps([recipe.INIT])}", f"VOLUME {json.dumps(list(recipe.VOLUMES))}")
    given = [word for change in changes for word in ("--change", change)]
    engine.ask("import", *given, str(root), recipe.reference(suite), timeout=600)


# -- from Debian's image ------------------------------------------------------------------------


def dockerfile(suite: str) -> str:
    """The same image from Debian's own, for an engine that reaches a registry.

    Its build context has the recipe's `finish.sh`, and later `carried`.
    """
    return f"""FROM debian:{suite}-slim AS system
RUN apt-get update \\
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
    {" ".join(recipe.packages(suite))}
COPY finish.sh /tmp/finish.sh
RUN sh /tmp/finish.sh && rm /tmp/finish.sh

FROM system
COPY carried {recipe.CARRIED}
VOLUME {json.dumps(list(recipe.VOLUMES))}
STOPSIGNAL SIGRTMIN+3
CMD {json.dumps([recipe.INIT])}
"""


def _build_arguments() -> list[str]:
    """The proxy for the build's own steps, from the environment and on no command line.

    Source: https://docs.docker.com/engine/cli/proxy/#build-with-a-proxy-configuration
    """
    names = [spelt for name in PROXY_NAMES for spelt in (name, name.upper())]
    there = [name for name in names if name in os.environ]
    return [word for name in there for word in ("--build-arg", name)]


def _docker_build(suite: str) -> None:
    """Build twice: what the machine carries is made of the first build's busybox."""
    with TemporaryDirectory(prefix="swarmrig-image-") as made:
        context = Path(made)
        (context / "finish.sh").write_text(recipe.FINISH, encoding="utf-8", newline="\n")
        (context / "Dockerfile").write_text(dockerfile(suite), encoding="utf-8", newline="\n")
        (context / "carried").mkdir()
        base = f"{recipe.NAME}-system:{recipe.version(suite)}"
        try:
            engine.ask(
                "build",
                *_build_arguments(),
                "--target",
                "system",
                "--tag",
                base,
                str(context),
                timeout=1800,
            )
            container = engine.ask("create", base).strip()
            try:
                engine.ask("cp", f"{container}:/usr/bin/busybox", str(context / "busybox"))
                engine.ask("cp", f"{container}:/var/lib/dpkg/status", str(context / "status"))
            finally:
                engine.ask("rm", container)
            _carry(suite, context / "busybox", context / "status", context / "carried")
            tag = recipe.reference(suite)
            engine.ask("build", *_build_arguments(), "--tag", tag, str(context), timeout=1800)
            engine.ask("image", "rm", base)
        except MachineError as error:
            raise UserError(
                f"The machines' image cannot be built here: {error}",
                "docker build needs a registry and Debian's package sources. On Linux, as root, "
                "mmdebstrap builds it without a registry: apt-get install mmdebstrap",
            ) from None
