"""`[swarm]`: the networks that overlay networks are made in, beside those that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, collapse_addresses

from provision.lab.model import SwarmSpec

# The engine's own, where lab.toml names none.
# Source: https://docs.docker.com/reference/cli/docker/swarm/init/
SUBNET_SIZE = 24
GOSSIP_PORT = 7946
_POOL = 'IPv4 networks, such as "10.20.0.0/16"'


def problems(spec: SwarmSpec, taken: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What is wrong: the key below `swarm`, and the reason. `taken` are networks, with whose."""
    size = spec.subnet_size or SUBNET_SIZE
    pools: list[IPv4Network] = []
    for text in spec.address_pool:
        try:
            pool = IPv4Network(text)
        except ValueError:
            yield "address_pool", f"given {text!r}; allowed: {_POOL}"
            continue
        if pool.prefixlen > size:
            yield "address_pool", f"{pool} has no room for a network of /{size} (swarm.subnet_size)"
        for network, whose in taken.items():
            if pool.overlaps(IPv4Network(network)):
                yield "address_pool", f"{pool} overlaps {network}: {whose}"
        pools.append(pool)
    if sum(pool.num_addresses for pool in pools) > sum(
        network.num_addresses for network in collapse_addresses(pools)
    ):
        yield "address_pool", "its networks overlap each other"
    if spec.data_path_port == GOSSIP_PORT:
        yield "data_path_port", f"{GOSSIP_PORT} is the port by which the nodes tell of each other"
