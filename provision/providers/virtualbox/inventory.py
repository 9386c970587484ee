"""What VirtualBox has of a lab: machines by name and label, its host-only interface, the master.

Each machine has the folder of its lab's state as extra data: it tells labs of one name in two
folders apart. Vagrant makes a host-only interface where none has the lab's subnet; which were there
before is written down first.
Source: `VBoxManage list vms`, `list hostonlyifs`, `setextradata` in
https://www.virtualbox.org/manual/ch08.html, and Vagrant's plugins/providers/virtualbox.
"""

from __future__ import annotations

import contextlib
import json
import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from provision.lab.model import Lab
from provision.providers import naming
from provision.providers.boxes import store
from provision.providers.virtualbox import vboxmanage
from provision.support.errors import MachineError
from provision.support.files import write_atomic

_BEFORE = "host-only-interfaces.json"
_VM = re.compile(r'^"(.*)" \{([0-9a-f-]+)\}$', re.MULTILINE)


def machines() -> dict[str, str]:
    """All of VirtualBox's machines: id to name; none where it is not installed (any more).

    Raises MachineError.
    """
    if not vboxmanage.find():
        return {}
    return {uuid: name for name, uuid in _VM.findall(vboxmanage.run("list", "vms"))}


def of_lab(lab: Lab) -> dict[str, tuple[str, str]]:
    """Machines named as the lab's: id to name and the folder of their label, "" without one."""
    prefix = naming.prefix(lab.name)
    return {
        uuid: (name, _folder(uuid)) for uuid, name in machines().items() if name.startswith(prefix)
    }


def _folder(uuid: str) -> str:
    # "Value: /home/me/lab/.swarmrig/book", or "No value set!"
    said = vboxmanage.run("getextradata", uuid, naming.FOLDER_LABEL).strip()
    return said.removeprefix("Value: ") if said.startswith("Value: ") else ""


def own(lab: Lab) -> dict[str, str]:
    """The lab's machines: id to name."""
    here = str(lab.state.resolve())
    return {uuid: name for uuid, (name, folder) in of_lab(lab).items() if folder == here}


def remove(lab: Lab, only: set[str] | None = None) -> list[str]:
    """Remove the lab's machines (with `only`, just these); what was removed."""
    removed = []
    for uuid, name in own(lab).items():
        if only is None or name.removeprefix(naming.prefix(lab.name)) in only:
            with contextlib.suppress(MachineError):  # it may be off
                vboxmanage.run("controlvm", uuid, "poweroff")
            vboxmanage.run("unregistervm", uuid, "--delete", limit=300)
            removed.append(f"machine {name} (VirtualBox)")
    return removed


# -- the host-only interface ------------------------------------------------------------------


def interfaces() -> dict[str, str]:
    """The host-only interfaces: name to IPv4 address, as `machines`. Raises MachineError."""
    found: dict[str, str] = {}
    if not vboxmanage.find():
        return found
    name = ""
    for line in vboxmanage.run("list", "hostonlyifs").splitlines():
        key, _, value = line.partition(":")
        if key == "Name":
            name = value.strip()
        elif key == "IPAddress" and name:
            found[name] = value.strip()
    return found


def note_interfaces(lab: Lab) -> None:
    """Write down which interfaces there are, before Vagrant makes the lab's; once for a lab."""
    file = lab.state / _BEFORE
    if not file.exists():
        # From VirtualBox 7 on macOS has networks of another kind, and may have no such list.
        with contextlib.suppress(MachineError):
            write_atomic(file, json.dumps(sorted(interfaces())) + "\n")


def own_interfaces(lab: Lab) -> tuple[list[str], list[str]]:
    """The interfaces of the lab's subnet: those made for it that nobody else uses, and the others.

    Where nothing was written down, none counts as the lab's.
    """
    in_subnet = [
        name
        for name, address in interfaces().items()
        if address and IPv4Address(address) in IPv4Network(lab.subnet)
    ]
    try:
        before = set(json.loads((lab.state / _BEFORE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        before = set(in_subnet)
    used = _used_by_others(lab) if set(in_subnet) - before else set()
    ours = [name for name in in_subnet if name not in before | used]
    return ours, [name for name in in_subnet if name not in ours]


def _used_by_others(lab: Lab) -> set[str]:
    """The interfaces that machines other than the lab's are set to use."""
    ours = own(lab)
    used: set[str] = set()
    for uuid in machines():
        if uuid not in ours:
            said = vboxmanage.run("showvminfo", uuid, "--machinereadable")
            used |= set(re.findall(r'^hostonlyadapter\d+="(.*)"$', said, re.MULTILINE))
    return used


def remove_interfaces(lab: Lab) -> list[str]:
    """Remove the interface that was made for the lab; what was removed."""
    ours = own_interfaces(lab)[0] if (lab.state / _BEFORE).exists() else []
    for name in ours:
        vboxmanage.run("hostonlyif", "remove", name)
    return [f"host-only interface {name}" for name in ours]


# -- what linked clones are made of -----------------------------------------------------------


def master(box: str, version: str) -> str:
    """The machine of which Vagrant makes linked clones of a box, as text; "" where there is none.

    Source: MASTER_ID in Vagrant's plugins/providers/virtualbox/action/prepare_clone_snapshot.rb
    """
    folder = store.folder(box, "virtualbox", version)
    try:
        uuid = ((folder or Path()) / "master_id").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    name = machines().get(uuid, "")
    return f"{name} (VBoxManage unregistervm {uuid} --delete)" if name else ""
