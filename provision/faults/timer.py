"""The timer that heals a fault, on the machine itself: nothing has to be connected for it.

It is armed before the fault is made. The fault is made only while it is armed, and healing it is
the same whether the timer does it or a person does. One at a time: what makes and what heals hold a
lock, and the healing's own file says that there is something to heal. It lies in /run, as what is
healed by a reboot does.
Sources: systemd-run(1), systemd.timer(5), flock(1).
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass

from provision.faults.fault import FOLDER, LASTING, Part, folder_of

OVER = 75  # exit code where the time was over before the fault could be made (EX_TEMPFAIL)
_LOCK = "exec 9</run && flock 9"


@dataclass(frozen=True)
class Label:
    """What is written on the machine beside the healing, so that the fault can be listed."""

    fault_id: str
    lab: str
    kind: str
    words: str
    seconds: float
    lasting: bool = False

    @property
    def folder(self) -> str:
        return folder_of(self.lasting)


def unit(fault_id: str) -> str:
    """The name of the timer's unit, without its ending."""
    return f"swarmrig-fault-{fault_id}"


def _healing(label: Label, part: Part) -> str:
    """The script that heals the fault, if it is still there, and removes every trace of it.

    Where the healing fails, it stays armed: what runs it tries again.
    """
    name = label.fault_id
    return f"""#!/bin/sh
# Heals fault {name} of Swarmrig's lab {label.lab}.
PATH=$PATH:/usr/sbin:/sbin
{_LOCK} || exit 1
cd {label.folder} 2>/dev/null || exit 0
[ -e {name}.heal ] || exit 0
(
{part.heal}
) || exit 1
if [ -z "$SWARMRIG_TIMER" ]; then
  systemctl stop {unit(name)}.timer 2>/dev/null
  [ ! -e {name}.pid ] || kill -- "-$(cat {name}.pid)" 2>/dev/null
fi
rm -f {name}.heal {name}.about {name}.pid
cd / && rmdir {label.folder} 2>/dev/null
exit 0
"""


def armed(label: Label, part: Part, systemd: bool) -> str:
    """Shell text that arms the healing. When it has failed, nothing is armed."""
    name, script = label.fault_id, f"{label.folder}/{label.fault_id}.heal"
    said = shlex.join([label.lab, label.kind, str(math.ceil(label.seconds)), label.words])
    return f"""
set -e
PATH=$PATH:/usr/sbin:/sbin
{_LOCK}
umask 077
mkdir -p {label.folder}
cd {label.folder}
undo() {{
  (
{part.heal}
  ) || true
  rm -f {name}.*
  cd /
  rmdir {label.folder} 2>/dev/null
}}
trap 'undo; exit 1' EXIT
{part.before or ":"}
{{ cut -d. -f1 /proc/uptime; printf '%s\\n' {said}; }} > {name}.about
printf %s {shlex.quote(_healing(label, part))} > {name}.heal
{_systemd(label, script) if systemd else _sleeper(label, script)}
trap - EXIT
"""


def _systemd(label: Label, script: str) -> str:
    return (
        f"systemd-run -q --collect --unit={unit(label.fault_id)} "
        f"--on-active={label.seconds:g} --timer-property=AccuracySec=100ms "
        f"--description={shlex.quote(f'Heal fault {label.fault_id} of lab {label.lab}')} "
        "-p Restart=on-failure -p RestartSec=2 --setenv=SWARMRIG_TIMER=1 "
        f"/bin/sh -c '[ ! -e {script} ] || exec sh {script}' 9<&-"
    )


def _sleeper(label: Label, script: str) -> str:
    """Without systemd: a process in a session of its own, which no end of a login reaches."""
    pid = f"{label.folder}/{label.fault_id}.pid"
    wait = (
        f"echo $$ > {pid}; sleep {label.seconds:g}; "
        f"export SWARMRIG_TIMER=1; until [ ! -e {script} ] || sh {script}; do sleep 2; done"
    )
    return (
        f"setsid -f sh -c {shlex.quote(wait)} </dev/null >/dev/null 2>&1 9<&-\n"
        # What heals it at once must find whom to end.
        f"tries=0\nuntil [ -s {pid} ] || [ $tries = 100 ]; do\n"
        "  tries=$((tries + 1)); sleep 0.1\ndone\n"
        f"[ -s {pid} ]"
    )


def made(label: Label, part: Part) -> str:
    """Shell text that makes the fault, if its healing is armed; else it ends with OVER."""
    script = f"{label.folder}/{label.fault_id}.heal"
    return f"""
set -e
PATH=$PATH:/usr/sbin:/sbin
{_LOCK}
[ -e {script} ] || {{ echo "its time is over already" >&2; exit {OVER}; }}
{part.make}
"""


def healed(fault_id: str) -> str:
    """Shell text that heals a fault now. It prints "healed" where there was one to heal."""
    # A copy: the script removes itself.
    return (
        f"for script in {FOLDER}/{fault_id}.heal {LASTING}/{fault_id}.heal; do\n"
        '  [ -e "$script" ] || continue\n'
        '  text=$(cat "$script") && sh -c "$text" && echo healed || exit 1\ndone'
    )


def listing(lab: str) -> str:
    """Shell text that prints the lab's faults on a machine: id, kind, seconds left and words."""
    return f"""
now=$(cut -d. -f1 /proc/uptime)
for file in {FOLDER}/*.about {LASTING}/*.about; do
  [ -e "$file" ] || continue
  {{ read -r since; read -r lab; read -r kind; read -r seconds; read -r words; }} < "$file"
  [ "$lab" = {shlex.quote(lab)} ] || continue
  left=$((since + seconds - now))
  # A reboot has ended the timer of one that is kept over it.
  [ "$since" -le "$now" ] || left=0
  name=${{file##*/}}
  printf '%s\\t%s\\t%s\\t%s\\n' "${{name%.about}}" "$kind" "$left" "$words"
done
"""
