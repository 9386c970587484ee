"""Broken worlds: a list for each way in which a tape is played."""

from __future__ import annotations

from tests.unit.scenarios.worlds import (
    cut,
    drivers,
    failures,
    overlay,
    services,
    slow,
    spread,
    underlay,
    weave,
    wrong_clock,
)
from tests.unit.scenarios.worlds.broken import Broken

# A tape without a list here is played as it was recorded, and no other way.
WORLDS: dict[str, list[Broken]] = {
    "overlay with IPVS": overlay.WORLDS,
    "spread": spread.WORLDS,
    "failover": failures.FAILOVER,
    "frozen": failures.FROZEN,
    "lossy": failures.LOSSY,
    "narrow": failures.NARROW,
    "quorum": failures.QUORUM,
    "slow": slow.WORLDS,
    "wrong_clock": wrong_clock.WORLDS,
    "cut": cut.OVERLAY,
    "cut_weave": cut.PLUGIN,
    "weave": weave.WORLDS,
    "weave encrypted": weave.ENCRYPTED,
    "bridge": drivers.BRIDGE,
    "attachable": drivers.ATTACHABLE,
    "none": drivers.NONE,
    "host": drivers.HOST,
    "macvlan": drivers.MACVLAN,
    "ipv6": drivers.IPV6_NETWORK,
    "dnsrr": drivers.DNSRR,
    "vip": services.VIP,
    "publish": services.PUBLISH,
    "networks": services.NETWORKS,
    "encrypted": underlay.ENCRYPTED,
    "ipvlan": underlay.IPVLAN,
}
