"""A VBoxManage whose VirtualBox is a folder of small files."""

from __future__ import annotations

from pathlib import Path

PROGRAM = """#!/bin/sh
here=$(dirname "$0")/vbox
echo "$*" >> "$here/calls"
case "$1 $2" in
  "--version ") echo 7.0.20r163906 ;;
  "list vms") for f in "$here"/vms/*; do [ -e "$f" ] && echo "\\"$(cat "$f")\\" {${f##*/}}"; done ;;
  "list hostonlyifs")
    for f in "$here"/ifs/*; do [ -e "$f" ] || continue
      printf 'Name:            %s\\nGUID:            x\\nDHCP:            Disabled\\n' "${f##*/}"
      printf 'IPAddress:       %s\\nNetworkMask:     255.255.255.0\\n\\n' "$(cat "$f")"
    done ;;
  "getextradata "*) if [ -e "$here/folder/$2" ]; then echo "Value: $(cat "$here/folder/$2")"
    else echo "No value set!"; fi ;;
  "showvminfo "*) cat "$here/info/$2" 2>/dev/null ;;
  "controlvm "*) [ -e "$here/running/$2" ] || { echo "is not currently running" >&2; exit 1; } ;;
  "unregistervm "*) rm "$here/vms/$2" ;;
  "hostonlyif remove") rm "$here/ifs/$3" ;;
esac
exit 0
"""


class FakeVirtualBox:
    """A VirtualBox below a folder that goes on PATH."""

    def __init__(self, programs: Path) -> None:
        self.root = programs / "vbox"
        for name in ("vms", "ifs", "folder", "info", "running"):
            (self.root / name).mkdir(parents=True)
        program = programs / "VBoxManage"
        program.write_text(PROGRAM)
        program.chmod(0o755)

    def machine(self, uuid: str, name: str, folder: Path | None = None, adapter: str = "") -> None:
        """A machine, with its label, and the host-only interface that it uses."""
        (self.root / "vms" / uuid).write_text(name)
        if folder:
            (self.root / "folder" / uuid).write_text(str(folder))
        if adapter:
            (self.root / "info" / uuid).write_text(f'hostonlyadapter2="{adapter}"\n')

    def interface(self, name: str, address: str) -> None:
        (self.root / "ifs" / name).write_text(address)

    @property
    def machines(self) -> set[str]:
        return {file.read_text() for file in (self.root / "vms").iterdir()}

    @property
    def interfaces(self) -> set[str]:
        return {file.name for file in (self.root / "ifs").iterdir()}
