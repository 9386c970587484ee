"""Two hosts for a module, and labs over them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from provision import definition
from provision.definition import Lab
from tests.hosts import root as roots
from tests.hosts.fabric import Fabric, Host, why_not
from tests.support.tier import cannot_run

Labs = Callable[..., Lab]


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    if reason := why_not():
        cannot_run(reason)
    # Roots come from a package registry: made before the network is gone.
    roots.root(docker=True)
    roots.root(docker=False)
    roots.image_archive()
    made = Fabric.start()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def inside(fabric: Fabric) -> Iterator[None]:
    """Each test of this tier runs in the hosts' own network; what comes after it does not."""
    with fabric.entered():
        yield


@pytest.fixture(scope="module")
def two_hosts(fabric: Fabric) -> Iterator[list[Host]]:
    hosts = fabric.add("machine1", "machine2")
    for host in hosts:
        host.load_image()
    yield hosts
    fabric.remove(*hosts)


@pytest.fixture
def lab_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Labs:
    """A lab over hosts that exist, with their host keys known, in a home of its own."""

    def make(
        hosts: list[Host], user: str = "ops", image: str = roots.TAG, managers: int = 1
    ) -> Lab:
        monkeypatch.setenv("HOME", str(tmp_path))
        known = tmp_path / ".ssh" / "known_hosts"
        known.parent.mkdir(exist_ok=True)
        scan = ["ssh-keyscan", "-t", "ed25519", *(host.address for host in hosts)]

        def keys() -> str:
            return subprocess.run(scan, check=False, capture_output=True, text=True).stdout

        # systemd calls sshd active a moment before it listens.
        known.write_text(
            Retrying(
                stop=stop_after_delay(20),
                wait=wait_fixed(0.3),
                retry=retry_if_result(lambda text: len(text.splitlines()) < len(hosts)),
            )(keys)
        )
        text = f'name = "t"\nprovider = "hosts"\n[images]\nscenario = "{image}"\n'
        for number, host in enumerate(hosts, start=1):
            role = "manager" if number <= managers else "worker"
            text += (
                f'[[machines]]\nname = "{host.name}"\nrole = "{role}"\naddress = "{host.address}"\n'
                f'user = "{user}"\nkey = "{host.key}"\n'
            )
        file = tmp_path / "lab.toml"
        file.write_text(text)
        return definition.load(file)

    return make
