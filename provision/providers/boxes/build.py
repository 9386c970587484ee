"""A base box built from Debian's packages, for hosts that can download none.

Box format: https://vagrant-libvirt.github.io/vagrant-libvirt/boxes.html (version 1).
"""

from __future__ import annotations

import hashlib
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

from provision.providers.boxes import carried, tools
from provision.providers.boxes.boot import boot, kept_kernel
from provision.providers.boxes.recipe import (
    DISK_GIB,
    SMALL_INITRAMFS,
    Recipe,
    docker_packages,
)
from provision.support import cache
from provision.support.errors import UserError
from provision.support.files import write_atomic

DEFAULT = Recipe()
_WHAT = "The box"


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
    noted = json.loads(about.read_text(encoding="utf-8"))
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
        "mkfs.ext4": "e2fsprogs",
        "qemu-img": "qemu-utils",
        "losetup": "mount",
        "sfdisk": "fdisk",
    }
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for tool, package in needed.items() if not shutil.which(tool, path=search)]
    missing += boot().lacking(search)
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


def _build_in(work: Path, recipe: Recipe, log: Callable[[str], None]) -> str:
    (work / "out").mkdir()
    root = work / "root.tar"
    docker = docker_packages(recipe.suite) if recipe.docker else []
    packages = [*recipe.base(), recipe.kernel, *boot().packages, *docker]
    hook = work / "finish.sh"
    hook.write_text(recipe.finish, encoding="utf-8")
    hooks = [f'sh {quote(str(hook))} "$1"']
    image = ""
    folder = work / "carried"
    folder.mkdir()
    if not recipe.docker:
        log("getting the packages that the plain box installs by itself")
        _repository(recipe, folder / "apt", work)
        hooks.append(
            'rm -f "$1"/etc/apt/sources.list.d/*; '
            'echo "deb [trusted=yes] file:/usr/share/swarmrig/apt ./" > "$1"/etc/apt/sources.list'
        )
    log(f"getting {len(packages)} packages and what they need (about a minute)")
    options = [
        f"--essential-hook={SMALL_INITRAMFS}",
        *(f"--customize-hook={hook}" for hook in hooks),
    ]
    command = tools.mmdebstrap(recipe.suite, packages, str(root), options)
    tools.run(command, work / "mmdebstrap.log", _WHAT)
    if recipe.docker:
        log("making the scenario image from the box's own busybox")
        image = _image(root, folder, work)
    carried.about(folder, recipe.hash(), image, recipe.suite)
    _keep_kernel(root)
    log("making the disk")
    _disk(root, folder, work)
    return image


def _keep_kernel(root: Path) -> None:
    """The box's kernel into the cache: what is booted to see whether KVM works."""
    with tarfile.open(root) as tar:
        kernel = next(m for m in tar if m.name.startswith("./boot/vmlinuz-") and m.isfile())
        file = tar.extractfile(kernel)
        assert file is not None
        write_atomic(kept_kernel(), file.read())


def _image(root: Path, folder: Path, work: Path) -> str:
    """Put the busybox image among what the box carries; its tag."""
    with tarfile.open(root) as tar:
        status = tar.extractfile("./var/lib/dpkg/status")
        binary = tar.extractfile(
            "./bin/busybox" if _has(tar, "./bin/busybox") else "./usr/bin/busybox"
        )
        assert status is not None
        assert binary is not None
        file = work / "busybox"
        file.write_bytes(binary.read())
        return carried.image(file, status.read().decode(), folder)


def _has(tar: tarfile.TarFile, name: str) -> bool:
    try:
        return tar.getmember(name).isfile()
    except KeyError:
        return False


def _repository(recipe: Recipe, target: Path, work: Path) -> None:
    """A flat package repository with Docker, tcpdump and all that they need beyond the base."""
    target.mkdir()
    there = quote(str(target))
    options = [
        # Downloaded only, not installed: exactly what a plain box lacks.
        '--customize-hook=chroot "$1" apt-get install -y --download-only '
        "--no-install-recommends " + " ".join(docker_packages(recipe.suite)),
        f'--customize-hook=cp "$1"/var/cache/apt/archives/*.deb {there}/',
        f'--customize-hook=mkdir -p "$1"/repo; cp {there}/*.deb "$1"/repo/; '
        "chroot \"$1\" sh -c 'cd /repo && apt-ftparchive packages . > Packages'; "
        f'cp "$1"/repo/Packages {there}/',
    ]
    packages = [*recipe.base(), "apt-utils"]
    command = tools.mmdebstrap(recipe.suite, packages, "/dev/null", options)
    tools.run(command, work / "repository.log", _WHAT)


def _disk(root: Path, folder: Path, work: Path) -> None:
    """root.tar on an ext4 file system in a partition of a bootable disk, as a qcow2 image."""
    raw, mount = work / "disk.raw", work / "mnt"
    mount.mkdir()
    # losetup takes the offset: not every kernel reads partition tables from loop devices.
    script = f"""
set -e
disk={quote(str(raw))} root={quote(str(mount))} work={quote(str(work))}
truncate -s {DISK_GIB}G "$disk"
sfdisk -q "$disk" <<'PARTITIONS'
{boot().partitions}
PARTITIONS
loop=$(losetup --find --show --offset {boot().offset} "$disk")
release() {{ umount -q "$root" || true; losetup -d "$loop"; }}
trap release EXIT
mkfs.ext4 -q -L root -O ^metadata_csum_seed,^64bit -E lazy_itable_init=1 "$loop"
mount "$loop" "$root"
tar -C "$root" --numeric-owner --xattrs --xattrs-include='*' -xf {quote(str(root))}
mkdir -p "$root/usr/share/swarmrig"
cp -r {quote(str(folder))}/. "$root/usr/share/swarmrig/"
chmod -R a+rX "$root/usr/share/swarmrig"
{boot().install}
umount "$root"
"""
    tools.run(["sh", "-c", script], work / "disk.log", _WHAT)
    tools.run(
        ["qemu-img", "convert", "-O", "qcow2", str(raw), str(work / "box.img")],
        work / "convert.log",
        _WHAT,
    )
    raw.unlink()


def _pack(work: Path, box: Path) -> None:
    write_atomic(
        work / "metadata.json",
        json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GIB}),
    )
    # Compressed lightly: `vagrant box add` unpacks it once, and the cache keeps it for long.
    tools.run(
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
        _WHAT,
    )
