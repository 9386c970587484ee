"""How apt-get and dpkg are run on a machine: unasked, and patient with whoever holds their locks.

A fresh cloud image updates itself in the background for minutes. apt's own DPkg::Lock::Timeout
covers neither the lock of the package lists nor `dpkg --configure`, so commands are tried again.
"""

from __future__ import annotations

from provision.engine.paths import PROXY
from provision.machine.machine import Machine, Result
from provision.support.progress import Progress

APT = "patiently apt-get -q"
# What was changed in a package's settings stays as it is: dpkg would ask, and nobody answers.
CONFIGURE = "patiently dpkg --force-confdef --force-confold --configure -a"
# Seconds that one script waits for locks in all.
PATIENCE = 600
# The exit code of a script that has waited long enough (EX_TEMPFAIL of sysexits.h).
LOCKED = 75
# Lines that begin so are for the person who waits, and not about a failure.
MARK = "swarmrig: "

# Words of apt, of dpkg (newer ones name the process) and of rpm, in the C locale. "Could not open
# lock file" is none of them: a file system that is read-only does not get better by waiting.
_HELD = (
    "could not get lock|locked by .*process|is another process using it"
    "|can't create transaction lock"
)
_PRELUDE = r"""
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
if [ -r PROXY ]; then set -a; . PROXY; set +a; fi
temporary=$(mktemp -d)
begun=
trap 'rm -rf "$temporary" $begun' EXIT
echo 'Dpkg::Options { "--force-confdef"; "--force-confold"; };' > "$temporary/apt.conf"
export APT_CONFIG="$temporary/apt.conf"
patience=PATIENCE
holder() {
  pid=$(sed -n 's/.*process \([0-9]\{1,\}\).*/\1/p; s/.*with pid \([0-9]\{1,\}\).*/\1/p' \
    "$temporary/said" | head -n 1)
  [ -n "$pid" ] || { echo "another process"; return; }
  echo "process $pid ($(tr '\0' ' ' 2>/dev/null < "/proc/$pid/cmdline" | cut -c 1-60))"
}
patiently() {
  waited=
  while :; do
    code=0
    "$@" 2> "$temporary/said" || code=$?
    if [ "$code" = 0 ] || ! grep -qiE "HELD" "$temporary/said"; then
      [ -z "$waited" ] || echo "MARKthe lock is free: $*" >&2
      cat "$temporary/said" >&2
      return "$code"
    fi
    if [ "$patience" -le 0 ]; then
      cat "$temporary/said" >&2
      echo "the lock was not free within PATIENCE s: $(holder)" >&2
      exit LOCKED
    fi
    # Another lock may have another holder.
    now=$(holder)
    [ "$waited" = "$now" ] || echo "MARKwaiting for the package manager's lock, held by $now" >&2
    waited=$now
    sleep 2
    patience=$((patience - 2))
  done
}
known() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }
lacking() {
  for package; do
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
      ?i*) ;;
      *) if known "$package"; then echo "$package"; fi ;;
    esac
  done
}
"""


def whole(script: str, patience: int = PATIENCE) -> str:
    """A script with the functions that it uses.

    `patiently COMMAND …` waits for the locks of apt, dpkg and rpm; `known PACKAGE` asks whether apt
    can install it; `lacking PACKAGE …` prints those that it can and that are not installed: naming
    one that is would mark it as installed by hand. At the end, however it comes, the folder
    `$temporary` goes, and so do the files that `$begun` names.
    """
    prelude = _PRELUDE.replace("PATIENCE", str(patience)).replace("LOCKED", str(LOCKED))
    prelude = prelude.replace("PROXY", PROXY)
    return prelude.replace("HELD", _HELD).replace("MARK", MARK) + script


def run(machine: Machine, script: str, progress: Progress, timeout: float) -> Result:
    """Run a script as root, and show what it waits for; waiting does not count for `timeout`."""

    def show(line: str) -> None:
        if line.startswith(MARK):
            progress.phase(machine.name, line.removeprefix(MARK))

    return machine.run(whole(script), timeout=timeout + PATIENCE, sudo=True, hear=show)
