"""Two hosts lose each other for a while: what an overlay network makes of it.

The steps are those of `cut_weave`, so the two can be compared: inv compare cut cut_weave
"""

from __future__ import annotations

from scenarios.drivers.cut import cut_scenario

cut = cut_scenario(
    "cut",
    title="Two hosts lose each other, on an overlay network",
    summary="No packet passes between two hosts for a while. The containers on them run on, and "
    "reach each other again when the hosts do, without anybody's help.",
    network="cutnet1",
    containers=("cut1", "cut2"),
)
