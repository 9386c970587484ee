"""The root file system of a machine whose disk was made larger than its box: grown to fill it.

Sources: sfdisk(8), growpart(1), resize2fs(8), xfs_growfs(8).
"""

from __future__ import annotations

from provision.changes.change import Change
from provision.machine.machine import Machine
from provision.support.errors import MachineError

# Which partition of which disk the root file system is in, and what there is still to grow:
# sectors of 512 bytes behind the partition, and how much of it the file system has.
_PLACE = r"""
PATH=$PATH:/usr/sbin:/sbin
block=/sys/class/block
part=$(basename "$(readlink -f "$(findmnt -nvo SOURCE /)")")
disk=$(basename "$(dirname "$(readlink -f "$block/$part")")")
if [ -e "$block/$part/partition" ]; then
  end=$(($(cat "$block/$part/start") + $(cat "$block/$part/size")))
  free=$(($(cat "$block/$disk/size") - end))
  has=$(($(df -B512 --output=size / | tail -n 1) * 100 / $(cat "$block/$part/size")))
fi
"""
_LOOK = _PLACE + 'echo "${free:--} ${has:--} ${part:-?}"'
_GIB = 2 * 1024 * 1024  # in sectors: what is less is left at a disk's end
_WHOLE = 85  # percent; a file system keeps some of its partition to itself

_GROW = (
    "set -e"
    + _PLACE
    + r"""
number=$(cat "$block/$part/partition")
if [ "$free" -gt GIB ]; then
  for other in "$block/$disk/$disk"*/start; do
    [ "$(cat "$other")" -lt "$end" ] || {
      echo "another partition lies behind that of its root file system" >&2; exit 1; }
  done
  if command -v growpart >/dev/null; then
    growpart "/dev/$disk" "$number"
  elif command -v sfdisk >/dev/null; then
    echo ', +' | sfdisk -q --no-reread -N "$number" "/dev/$disk"
    partx -u --nr "$number" "/dev/$disk"
  else
    echo "it has neither growpart nor sfdisk" >&2; exit 1
  fi
fi
kind=$(findmnt -no FSTYPE /)
case $kind in
  ext*) resize2fs "/dev/$part" ;;
  xfs) xfs_growfs / ;;
  btrfs) btrfs filesystem resize max / ;;
  *) echo "nothing is known to grow a file system of type $kind" >&2; exit 1 ;;
esac
""".replace("GIB", str(_GIB))
)


def plan(machine: Machine) -> list[Change]:
    """What is to be grown, where lab.toml names the size of the machine's disk."""
    if not machine.plan.disk:
        return []
    free, has, part = machine.run_checked(_LOOK, 30).split()
    if free == "-":
        raise MachineError(
            f"{machine.name}: disk: its root file system is in {part}, which is no partition, and "
            "is not grown.",
            f"Grow it by hand (inv ssh {machine.name}), and take disk out of lab.toml.",
        )
    if int(free) <= _GIB and int(has) >= _WHOLE:
        return []
    what = f"grow its root file system to its disk of {machine.plan.disk} GB"
    return [Change(machine.name, "disk", what, (), _GROW)]


def apply(machine: Machine, change: Change) -> None:
    """Raises MachineError with the tool's own words."""
    done = machine.run(change.script, 300, sudo=True)
    if not done.ok:
        raise MachineError(f"{machine.name}: {change.what}: {done.last_words}")
