"""What a step sees of an engine whose networks and containers disappear meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import docker

from scenarios.kit import step


class Vanishing:
    """An engine that lists a network and a container which are gone when they are looked at."""

    def __init__(self) -> None:
        self.name = "machine1"
        self.docker = docker.DockerClient(base_url="http://localhost:1", version="1.41")
        self.docker.api.networks = lambda **_: [{"Id": "n1", "Name": "overlaynet1"}]  # type: ignore[method-assign]
        self.docker.api.containers = lambda **_: [{"Id": "c1"}]  # type: ignore[method-assign]
        self.docker.api.inspect_network = self._gone  # type: ignore[method-assign]
        self.docker.api.inspect_container = self._gone  # type: ignore[method-assign]

    def _gone(self, *_: object, **__: object) -> None:
        raise docker.errors.NotFound("no such thing")


def test_what_goes_while_it_is_looked_at_is_gone_and_no_error() -> None:
    machine = Vanishing()
    context: Any = SimpleNamespace(called={})
    looking = step.Step(context, None, [machine])  # type: ignore[arg-type, list-item]
    assert looking.containers("alpine-overlay1") == []
    assert looking.network("overlaynet1") == {}
