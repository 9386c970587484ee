"""A base box built from Debian's packages, for hosts that can download none.

Box format: https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html (version 1).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from provision.providers.boxes.busybox import tag_for, write_archive
from provision.providers.boxes.recipe import (
    DISK_GIB,
    FINISH,
    SMALL_INITRAMFS,
    Recipe,
    docker_packages,
)
from provision.support import architecture, cache
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic

DEFAULT = Recipe()


@dataclass(frozen=True)
class BoxFile:
    """A box that lies in the cache. `sha256` is the file's; `version` names what it is made of."""

    path: Path
    name: str
    version: str
    sha256: str
    image: str
    provider: str = "libvirt"


def cached(recipe: Recipe = DEFAULT) -> BoxFile | None:
    """The box of a recipe as it is now, if it was built already."""
    about = _folder(recipe) / "box.json"
    if not about.is_file():
        return None
    noted = json.loads(about.read_text())
    return BoxFile(
        path=about.parent / "package.box",
        name=noted["name"],
        version=noted["version"],
        sha256=noted["sha256"],
        image=noted["image"],
    )


def _folder(recipe: Recipe) -> Path:
    kind = "docker" if recipe.docker else "plain"
    return cache.folder() / "boxes" / f"{recipe.suite}-{kind}-{recipe.hash()}"


def build(recipe: Recipe = DEFAULT, log: Callable[[str], None] = print) -> BoxFile:
    """The box, built unless it lies in the cache already: whole or not at all.

    Takes a minute or two, and root (mounts and device nodes). Raises UserError where a tool or
    root is missing, MachineError with the failing tool's last words and its log.
    """
    with FileLock(cache.folder() / f"box-{recipe.suite}-{recipe.docker}.lock"):
        there = cached(recipe)
        if there:
            return there
        _check_tools()
        target = _folder(recipe)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix="building-") as made:
            work = Path(made)
            work.chmod(0o755)
            image = _build_in(work, recipe, log)
            log("packing the box")
            box = work / "out" / "package.box"
            _pack(work, box)
            digest = hashlib.sha256()
            with box.open("rb") as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
            write_atomic(
                box.parent / "box.json",
                json.dumps(
                    {
                        "name": recipe.name,
                        "version": recipe.version,
                        "sha256": digest.hexdigest(),
                        "image": image,
                    },
                    indent=2,
                ),
            )
            shutil.rmtree(target, ignore_errors=True)
            box.parent.rename(target)
        result = cached(recipe)
        assert result is not None
        return result


def _check_tools() -> None:
    if platform.system() != "Linux":
        raise UserError(
            "A box can be built on Linux only (with libvirt to run it).",
            'Elsewhere take a downloadable one: box = "auto" in lab.toml.',
        )
    needed = {
        "mmdebstrap": "mmdebstrap",
        "extlinux": "extlinux",
        "mkfs.ext4": "e2fsprogs",
        "qemu-img": "qemu-utils",
        "losetup": "mount",
        "sfdisk": "fdisk",
    }
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in needed.items() if not shutil.which(tool, path=search)]
    if not _mbr():
        missing.append("syslinux-common")
    if missing:
        raise UserError(
            f"To build a box, this host lacks: {', '.join(missing)}.",
            f"sudo apt-get install {' '.join(missing)}",
        )
    if os.geteuid() != 0:
        raise UserError(
            "Building a box needs root: it makes device nodes and mounts a disk image.",
            "Build it once with: sudo -E .venv/bin/inv box",
        )


def _mbr() -> Path | None:
    places = ("/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/EXTLINUX/mbr.bin")
    return next((Path(place) for place in places if Path(place).is_file()), None)


def _build_in(work: Path, recipe: Recipe, log: Callable[[str], None]) -> str:
    (work / "out").mkdir()
    root = work / "root.tar"
    docker = docker_packages(recipe.suite) if recipe.docker else []
    packages = [*recipe.base(), recipe.kernel, *docker]
    hook = work / "finish.sh"
    hook.write_text(FINISH)
    hooks = [f'sh {hook} "$1"']
    image = ""
    carried = work / "carried"
    (carried / "images").mkdir(parents=True)
    if not recipe.docker:
        log("getting the packages that the plain box installs by itself")
        _repository(recipe, carried / "apt", work)
        hooks.append(
            'rm -f "$1"/etc/apt/sources.list.d/*; '
            'echo "deb [trusted=yes] file:/usr/share/swarmrig/apt ./" > "$1"/etc/apt/sources.list'
        )
    log(f"getting {len(packages)} packages and what they need (about a minute)")
    _run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--architectures={architecture.debian_architecture()}",
            '--aptopt=Acquire::Check-Valid-Until "false"',
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(packages)}",
            f"--essential-hook={SMALL_INITRAMFS}",
            *(f"--customize-hook={hook}" for hook in hooks),
            recipe.suite,
            str(root),
        ],
        work / "mmdebstrap.log",
    )
    if recipe.docker:
        log("making the scenario image from the box's own busybox")
        image = _image(root, carried, work)
    write_atomic(
        carried / "box.json",
        json.dumps({"recipe": recipe.hash(), "image": {"tag": image}, "suite": recipe.suite}),
    )
    _keep_kernel(root)
    log("making the disk")
    _disk(root, carried, work)
    return image


def _keep_kernel(root: Path) -> None:
    """The box's kernel into the cache: what provision.kvm boots to see whether KVM works."""
    with tarfile.open(root) as tar:
        kernel = next(m for m in tar if m.name.startswith("./boot/vmlinuz-") and m.isfile())
        file = tar.extractfile(kernel)
        assert file is not None
        write_atomic(cache.folder() / "trial-vmlinuz", file.read())


def _image(root: Path, carried: Path, work: Path) -> str:
    """Put the busybox image among what the box carries; its tag."""
    with tarfile.open(root) as tar:
        status = tar.extractfile("./var/lib/dpkg/status")
        binary = tar.extractfile(
            "./bin/busybox" if _has(tar, "./bin/busybox") else "./usr/bin/busybox"
        )
        assert status is not None
        assert binary is not None
        busybox = work / "busybox"
        busybox.write_bytes(binary.read())
        busybox.chmod(0o755)
        paragraphs = status.read().decode().split("\n\n")
    fields = next(p for p in paragraphs if p.startswith("Package: busybox-static\n"))
    version = next(
        line.split(": ")[1] for line in fields.splitlines() if line.startswith("Version: ")
    )
    tag = tag_for(version.split(":")[-1].split("-")[0])
    write_archive(
        busybox, carried / "images" / "busybox.tar", tag, architecture.debian_architecture()
    )
    return tag


def _has(tar: tarfile.TarFile, name: str) -> bool:
    try:
        return tar.getmember(name).isfile()
    except KeyError:
        return False


def _repository(recipe: Recipe, target: Path, work: Path) -> None:
    """A flat package repository with Docker, tcpdump and all that they need beyond the base."""
    target.mkdir()
    _run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--architectures={architecture.debian_architecture()}",
            '--aptopt=APT::Install-Recommends "false"',
            f"--include={','.join(recipe.base())},apt-utils",
            # Downloaded only, not installed: exactly what a plain box lacks.
            '--customize-hook=chroot "$1" apt-get install -y --download-only '
            "--no-install-recommends " + " ".join(docker_packages(recipe.suite)),
            f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {target}/',
            f'--customize-hook=mkdir -p "$1"/repo; cp {target}/*.deb "$1"/repo/; '
            "chroot \"$1\" sh -c 'cd /repo && apt-ftparchive packages . > Packages'; "
            f'cp "$1"/repo/Packages {target}/',
            recipe.suite,
            "/dev/null",
        ],
        work / "repository.log",
    )


def _disk(root: Path, carried: Path, work: Path) -> None:
    """root.tar on an ext4 file system in one bootable partition, as a qcow2 image."""
    raw, mount = work / "disk.raw", work / "mnt"
    mount.mkdir()
    mbr = _mbr()
    assert mbr is not None
    # The partition starts at 1 MiB. losetup takes the offset: not every kernel reads partition
    # tables from loop devices.
    script = f"""
set -e
truncate -s {DISK_GIB}G {raw}
echo '2048,,L,*' | sfdisk -q {raw}
loop=$(losetup --find --show --offset 1048576 {raw})
trap 'umount -q {mount} || true; losetup -d "$loop"' EXIT
mkfs.ext4 -q -L root -O ^metadata_csum_seed,^64bit -E lazy_itable_init=1 "$loop"
mount "$loop" {mount}
tar -C {mount} --numeric-owner --xattrs --xattrs-include='*' -xf {root}
mkdir -p {mount}/usr/share/swarmrig
cp -r {carried}/. {mount}/usr/share/swarmrig/
chmod -R a+rX {mount}/usr/share/swarmrig
extlinux --install {mount}/boot/extlinux
umount {mount}
dd if={mbr} of={raw} bs=440 count=1 conv=notrunc status=none
"""
    _run(["sh", "-c", script], work / "disk.log")
    _run(
        ["qemu-img", "convert", "-O", "qcow2", str(raw), str(work / "box.img")],
        work / "convert.log",
    )
    raw.unlink()


def _pack(work: Path, box: Path) -> None:
    write_atomic(
        work / "metadata.json",
        json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}),
    )
    # Compressed lightly: `vagrant box add` unpacks it once, and the cache keeps it for long.
    _run(
        [
            "tar",
            "-C",
            str(work),
            "--use-compress-program=gzip -1",
            "-cf",
            str(box),
            "metadata.json",
            "box.img",
        ],
        work / "pack.log",
    )


def _run(argv: list[str], log: Path) -> None:
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    with log.open("wb") as out:
        done = subprocess.run(
            argv, check=False, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment
        )
    if done.returncode == 0:
        return
    kept = cache.folder() / f"failed-{log.name}"
    shutil.copy(log, kept)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    raise MachineError(
        f"The box could not be built: {argv[0]} ended with {done.returncode}: "
        f"{' / '.join(lines[-2:])}",
        f"Its whole output: {kept}",
    )
