"""What the kernel that runs the engine's containers has, asked inside one of them.

Docker Desktop's engine runs in a virtual machine of its own, so this host's kernel tells nothing.
"""

from __future__ import annotations

from provision.providers.containers import engine
from provision.support.errors import MachineError

# An interface is made in the container's own network namespace, which goes with the container.
_TRY = (
    "ip link add swarmrig0 type vxlan id 1 dstport 4789",
    "ip link add swarmrig1 type bridge",
    "ip link add swarmrig2 type veth peer name swarmrig3",
)
# What each of them is for, in the words of an error.
_NEEDED = ("vxlan (overlay networks)", "bridge", "veth")


def lacks(image: str) -> list[str]:
    """What overlay networks need and the kernel does not have, in words.

    Raises MachineError where no container of the image runs.
    """
    script = "; ".join(f"{line} 2>/dev/null || echo {number}" for number, line in enumerate(_TRY))
    printed = engine.ask(
        *("run", "--rm", "--network", "none", "--cap-add", "NET_ADMIN"),
        *("--entrypoint", "sh", image, "-c", script),
    )
    try:
        return [_NEEDED[int(word)] for word in printed.split()]
    except (ValueError, IndexError):
        raise MachineError(f"a container of {image} printed {printed.strip()!r}") from None
