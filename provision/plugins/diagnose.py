"""Why a plugin does not start, found in its own log.

`docker plugin enable` says only that the plugin's socket is not there: "dial unix …/weave.sock:
connect: no such file or directory". What went wrong stands in the daemon's journal, where each of
the plugin's lines carries plugin=<id>.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from provision.machine.machine import Machine

_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')
# The plugin's own time stamps repeat the journal's: "INFO: 2026/11/24 20:26:50.167879 …".
_STAMP = re.compile(r"^([A-Z]{4,5}): \d{4}/\d\d/\d\d [\d:.]+ ")
# A line that repeats all settings, and the daemon's own lines about its client, tell no cause.
_NOISE = ("Command line options:", "Discovered remote MAC", "GetCapabilities", "NetworkDriver.")


@dataclass(frozen=True)
class Known:
    """A cause that is known by a line of the log; `says` is a regular expression."""

    says: str
    cause: str
    advice: str


_KERNEL = "Take machines whose kernel has these modules: any box of lab.toml, not a container."

# In the order of how much they tell: the first line of a fall is rarely its last.
_CAUSES = (
    Known(
        r"creating (?:dummy|bridge|datapath|veth|vxlan)\S* .*operation not supported"
        r"|operation not supported.*(?:dummy|datapath|vxlan)",
        "the machine's kernel lacks what the plugin needs (modules dummy, openvswitch, vxlan)",
        _KERNEL,
    ),
    Known(
        r"client version (\S+) is too old.*?(?:API version is|API version:) (\S+?)[,.\s]",
        "the plugin speaks an older Engine API than this engine serves",
        "Put a [weave] table into lab.toml and run inv up; or pin an older engine: docker.version.",
    ),
    Known(
        r"Existing bridge type .* is different",
        "an earlier Weave with other settings has left its bridge behind",
        "Run the scenario once with the earlier settings, which removes it; or inv rebuild.",
    ),
    Known(
        r"[Nn]etwork \S+ overlaps with (?:existing )?(?:local )?(?:route|address)",
        "the plugin's range of addresses is in use on the machine already",
        'Give it another one: settings = { IPALLOC_RANGE = "10.40.0.0/16" } under [weave].',
    ),
    Known(
        r"address already in use",
        "another process has the plugin's ports (TCP and UDP 6783, UDP 6784) already",
        "Stop the other Weave on that machine first.",
    ),
    Known(
        r"swarm(?:-mode)? (?:is )?(?:not|in)active|not (?:a|part of a) swarm|not in swarm",
        "the plugin works in swarm mode only, and its node is in no swarm",
        "Run inv up first: it forms the swarm.",
    ),
)
# What `docker plugin enable` says where the plugin itself has not come up.
_NO_SOCKET = re.compile(r"dial unix \S+\.sock: connect: ")
# The plugin did come up, and its engine had ceased to wait: it gives 12 s, slow machines need more.
_LATE = re.compile(r"Listening on \S+\.sock|serving|Finished waiting for")


@dataclass(frozen=True)
class Explanation:
    """What is known of a plugin that did not start: a cause in words, advice, its last lines.

    `late` is True where nothing is wrong with it but the time: another start may well do.
    """

    cause: str
    advice: str
    lines: tuple[str, ...]
    late: bool = False

    def report(self) -> str:
        """Cause and log in one or two lines."""
        said = " / ".join(self.lines) or "the plugin's own log says nothing"
        return f"{self.cause}: {said}"


def lines(machine: Machine, plugin: str, since: str, secrets: tuple[str, ...] = ()) -> list[str]:
    """The plugin's own lines in the daemon's journal, oldest first, without stamps and secrets.

    `plugin` is its id; `since` is a time as `date +%s` on that machine gives it.
    """
    said = machine.run(
        f"journalctl -u docker --since=@{shlex.quote(since)} -o cat --no-pager"
        f" | grep -F plugin={shlex.quote(plugin)}",
        timeout=30,
        sudo=True,
    ).stdout
    return messages(said, secrets)


def messages(journal: str, secrets: tuple[str, ...] = ()) -> list[str]:
    """The messages of a plugin's journal lines, in reading form."""
    found: list[str] = []
    for line in journal.splitlines():
        message = _MESSAGE.search(line)
        if not message or any(noise in line for noise in _NOISE):
            continue
        text = message[1].replace('\\"', '"').replace("\\n", " ").strip()
        text = _STAMP.sub(lambda stamp: "" if stamp[1] == "INFO" else f"{stamp[1]}: ", text)
        for secret in secrets:
            text = text.replace(secret, "***")
        if text:
            found.append(text)
    return found


def explain(said: str, log: list[str], missing_modules: tuple[str, ...] = ()) -> Explanation:
    """Why a plugin did not start: what `docker plugin enable` said, and what its log tells.

    Where the command says something other than that the socket is missing, it has the cause.
    """
    if "/lib/modules" in said and "no such file" in said:
        return Explanation(
            "the machine has no folder /lib/modules: its system brings no kernel of its own",
            _KERNEL,
            (said,),
        )
    for known in _CAUSES:
        for line in reversed(log):
            if re.search(known.says, line):
                lacks = (
                    f"; not to be loaded here: {', '.join(missing_modules)}"
                    if missing_modules and "kernel" in known.cause
                    else ""
                )
                return Explanation(known.cause + lacks, known.advice, (line,))
    if not _NO_SOCKET.search(said):
        return Explanation("the engine could not start it", "", (said,))
    fatal = [line for line in log if re.match(r"(FATA|ERRO|panic)", line)]
    if fatal:
        return Explanation("it ended with an error", "", tuple(fatal[-2:]))
    if any(_LATE.search(line) for line in log):
        return Explanation(
            "it came up later than its engine waits (some 12 s): the machine is slow",
            "Try again; or give the machines more CPU.",
            tuple(log[-1:]),
            late=True,
        )
    return Explanation(
        "it did not open its socket in the time its engine waits (some 12 s)",
        "",
        tuple(log[-3:]),
        late=bool(log),
    )
