"""Archives of a lab's images and plugin, for labs that can reach no registry.

They are made on a machine of a running lab, which has the images or can pull them. Docker has no
`plugin save`; a plugin's archive is what `docker plugin create` takes: config.json and rootfs/.
Source: https://docs.docker.com/reference/cli/docker/plugin/create/
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from provision.changes import journal
from provision.changes.change import Change
from provision.engine import images
from provision.lab.model import Lab, PluginSpec
from provision.machine.machine import Machine
from provision.plugins import archive, facts, install, privileges
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

# What a plugin writes into its own root file system when it starts, and must not find in a new
# one: Weave takes that mark for a restart, and then asks nobody for its peers.
_WRITTEN = ("restart.sentinel",)

_PACK = """
set -e
dir=$(mktemp -d /var/tmp/swarmrig-saving.XXXXXX)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cat > "$dir/config.json"
tar -cz {left_out} -C "$dir" config.json -C {plugin} rootfs > {target}
"""


@dataclass(frozen=True)
class Saved:
    """The files that were made, and the lines of lab.toml that use them."""

    files: tuple[Path, ...]
    hint: str


def save(
    lab: Lab,
    machine: Machine,
    image: str,
    folder: Path,
    grants: frozenset[privileges.Privilege],
    progress: Progress,
) -> Saved:
    """Make archives of the scenario's image and, in a lab for Weave, of its plugin.

    An image or plugin that the machine does not have is pulled; a plugin that was pulled for this
    goes again. Raises MachineError with the registry's own words, UserError for a plugin that asks
    for more than the exercise lists.
    """
    file = folder / f"{_slug(image)}.tar"
    written = journal.of_lab(lab)
    images.present(lab, machine, image, written, progress)
    progress.phase(machine.name, f"saving {image}")
    machine.fetch(f"docker save {shlex.quote(image)}", file)
    if image not in images.archive_tags(file):
        raise MachineError(f"{machine.name}: the archive of {image} does not hold it: {file}")
    files = [file]
    hint = ["[images]", f'scenario = "{image}"', f"archives = [{_toml(lab, file)}]"]
    if lab.weave:
        made, reference = _plugin(lab.weave, machine, folder, grants, written, progress)
        files.append(made)
        hint += ["[weave]", f'plugin = "{reference}"', f"plugin_archive = {_toml(lab, made)}"]
    return Saved(tuple(files), "\n".join(hint))


def _plugin(
    plugin: PluginSpec,
    machine: Machine,
    folder: Path,
    grants: frozenset[privileges.Privilege],
    written: journal.Journal,
    progress: Progress,
) -> tuple[Path, str]:
    allowed = privileges.EXERCISE | grants
    want = install.resolve([machine], plugin, allowed=allowed)
    if more := privileges.beyond(install.asked(machine, want), allowed, frozenset()):
        raise privileges.refuse(want.reference, more)
    there = facts.installed(machine, want.reference)
    if there and there.enabled:
        raise UserError(
            f"{machine.name}: plugin {want.reference} is enabled: what it has written into its "
            "files would be saved too.",
            f"Disable it first: docker plugin disable {want.reference}",
        )
    file = folder / f"{_slug(want.reference)}.tar.gz"
    progress.phase(machine.name, f"saving {want.reference}")
    if there:
        found = there
        pack(machine, found, file)
    else:
        change = Change(
            machine.name, "plugin", f"install plugin {want.reference}", (want.reference,)
        )
        # Should this be killed, `destroy` removes it.
        entry = written.begin(change)
        try:
            found = install.bring(machine, want, install.Done())
            pack(machine, found, file)
        finally:
            install.remove(machine, want.reference)
            written.forget(machine.name, entry)
    config = archive.read_archive(file)
    if privileges.asked_in(config) != privileges.asked_in(found.config):
        raise MachineError(f"{machine.name}: the archive of {want.reference} differs from it.")
    return file, want.reference


def pack(machine: Machine, plugin: facts.Installed, file: Path) -> None:
    """The archive of a plugin that the machine has. Its settings stay behind: they hold secrets."""
    root = machine.docker.info()["DockerRootDir"]
    config = {key: value for key, value in plugin.config.items() if key.lower() != "rootfs"}
    target = machine.run_checked("mktemp /var/tmp/swarmrig-saved.XXXXXX", 30, sudo=True).strip()
    quoted = shlex.quote(target)
    command = _PACK.format(
        left_out=" ".join(f"--exclude=rootfs/{name}" for name in _WRITTEN),
        plugin=shlex.quote(f"{root}/plugins/{plugin.id}"),
        target=quoted,
    )
    try:
        # The engine's own config.json is another document than the one that plugins are made of.
        made = machine.feed(command, json.dumps(config, indent=2).encode(), 1800, sudo=True)
        if not made.ok:
            raise MachineError(
                f"{machine.name}: plugin {plugin.reference} could not be packed: {made.last_words}"
            )
        machine.fetch(f"cat {quoted}", file, sudo=True)
    finally:
        machine.run(f"rm -f {quoted}", 60, sudo=True)


def _slug(reference: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.]+", "_", reference).strip("_")


def _toml(lab: Lab, file: Path) -> str:
    """A path as lab.toml takes it: relative to the file's folder where it lies below it."""
    inside = file.is_relative_to(lab.home)
    text = (file.relative_to(lab.home) if inside else file.absolute()).as_posix()
    return json.dumps(text, ensure_ascii=False)
