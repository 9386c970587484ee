"""`[docker.settings]`: which settings of the engine lab.toml may have, and why some are refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What Swarmrig sets or relies on itself.
# Source: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
_REFUSED = {
    "hosts": "Swarmrig reaches the engine at its own socket, through SSH; at a TCP port anybody "
    "who reaches it would be root on the machine",
    "live-restore": "Docker refuses a swarm with it",
    "min-api-version": "Swarmrig sets it where the plugin of [weave] needs it",
    "group": "Swarmrig lets the login use the engine by the group docker",
    "proxies": "its place is the table [proxy]",
    "http-proxy": "its place is proxy.http",
    "https-proxy": "its place is proxy.https",
    "no-proxy": "its place is proxy.no_proxy",
    "data-root": "the images and the place in the swarm that the engine has would be lost",
}


def problems(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings: the key below `docker.settings`, and the reason."""
    for key, value in settings.items():
        if not re.fullmatch(r"[a-z0-9-]+", key):
            yield json.dumps(key), "allowed: an option of dockerd, without the two dashes before it"
        elif key in _REFUSED:
            yield key, f"cannot be set: {_REFUSED[key]}"
        else:
            yield from _values(key, value)


def _values(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """The parts of a value that JSON has no form for: dates, times, infinite numbers."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from _values(f"{key}.{name}", inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _values(key, inside)
    elif not isinstance(value, str | int | float) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        yield key, "allowed: texts, finite numbers, true and false, lists and tables of these"
