"""Exercise 6.05: the Weave Net driver between two hosts, all 9 steps.

The steps are written once, over any network driver plugin: what differs between drivers is a
`Driver` (scenarios/kit/driver.py), and where the plugin comes from is lab.toml's [weave] table.
Steps of the exercise that take several commands have letters.
"""

from __future__ import annotations

from scenarios.drivers import exercise
from scenarios.drivers.weave import WEAVE

weave = exercise.plugin_scenario(
    "weave",
    WEAVE,
    exercise="6.05",
    title="The Weave Net driver between two hosts",
    summary="Two services on two hosts share one network of a plugin's, and reach each other "
    "through its mesh.",
    network="weavenet1",
    services=("alpine-weavenet1", "alpine-weavenet2"),
)
