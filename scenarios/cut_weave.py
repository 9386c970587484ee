"""Two hosts lose each other for a while: what Weave Net makes of it.

The steps are those of `cut`, so the two can be compared: inv compare cut cut_weave
"""

from __future__ import annotations

from scenarios.drivers.cut import cut_scenario
from scenarios.drivers.weave import WEAVE

cut_weave = cut_scenario(
    "cut_weave",
    title="Two hosts lose each other, on a network of Weave Net's",
    summary="No packet passes between two hosts for a while. Weave Net's mesh breaks and comes "
    "about again, and the containers reach each other as before.",
    network="cutweavenet1",
    containers=("cutweave1", "cutweave2"),
    driver=WEAVE,
)
