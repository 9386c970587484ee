"""Hints: the command with gaps tells what belongs where, and not what."""

from __future__ import annotations

import pytest

from scenarios.learn.hints import with_gaps


@pytest.mark.parametrize(
    ("command", "gaps"),
    [
        (
            "docker network create -d overlay --subnet 172.45.0.0/16 overlaynet1",
            "docker network create -d … --subnet … …",
        ),
        (
            "docker service create -t --replicas 1 --network n --name s --constraint node.id==x "
            "--no-resolve-image alpine:latest",
            "docker service create -t --replicas … --network … --name … --constraint … "
            "--no-resolve-image …",
        ),
        ("docker network create --driver=weave n", "docker network create --driver=… …"),
        ("docker service rm a b", "docker service rm … …"),
        ("docker service scale a=9", "docker service scale …"),
        ("docker ps\ndocker inspect t", "docker ps\ndocker inspect …"),
    ],
)
def test_values_become_gaps(command: str, gaps: str) -> None:
    assert with_gaps(command) == gaps
