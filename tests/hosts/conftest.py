"""Two hosts for a module, and labs over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle import up
from tests.hosts import root as roots
from tests.hosts.light_hosts import Fabric, Host, why_not
from tests.support.progress import quiet
from tests.support.tier import cannot_run
from tests.vxlan_driver import package

CLONE = Path(__file__).parent.parent.parent
Labs = Callable[..., Lab]
# The files that take longest, the longest first. A worker that begins one of them when the others
# have nothing left to do would make all wait for it.
LONG = (
    "test_laptop_life.py",
    "test_core.py",
    "test_lifecycle.py",
    "test_typed.py",
    "test_plugin_scenario.py",
    "test_existing.py",
    "test_fault_verbs.py",
    "test_fault_matrix.py",
    "test_tape.py",
    "test_lost_quorum.py",
    "test_overlay.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first, for workers that take a file at a time (--no-loadscope-reorder)."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def fabric() -> Iterator[Fabric]:
    if reason := why_not():
        cannot_run(reason)
    # Roots come from a package registry: made before the network is gone.
    for docker in (True, False):
        roots.root(docker, roots.chosen())
    roots.image_archive()
    package.archive()
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


def keys_of(hosts: list[Host]) -> str:
    """The hosts' keys as lines of a known_hosts file."""
    return "".join(
        f"{host.address} {host.exec('cat', '/etc/ssh/ssh_host_ed25519_key.pub').stdout}"
        for host in hosts
    )


def lab_over(
    hosts: list[Host],
    user: str = "ops",
    image: str = roots.TAG,
    managers: int = 1,
    settings: str = "",
    address: str = "{address}",
    more: str = "",
    archive: bool = False,
) -> Lab:
    """A lab over hosts that exist, with their host keys known.

    Labs over the same hosts share a home, as long as the hosts are there: what `up` did to them is
    still known to the next test.
    """
    home = hosts[0].home
    home.mkdir(exist_ok=True)
    (home / "known_hosts").write_text(keys_of(hosts))
    (home / "ssh_config").write_text(
        f"{settings}\nHost *\n  UserKnownHostsFile {home}/known_hosts\n"
        f"  GlobalKnownHostsFile none\n  IdentityAgent none\n"
    )
    text = f'name = "t"\nprovider = "hosts"\nssh_config = "ssh_config"\n{more}\n'
    text += f'[images]\nscenario = "{image}"\n'
    if archive:
        text += f'archives = ["{roots.image_archive()}"]\n'
    for number, host in enumerate(hosts, start=1):
        role = "manager" if number <= managers else "worker"
        at = address.format(address=host.address, name=host.name)
        text += (
            f'[[machines]]\nname = "{host.name}"\nrole = "{role}"\naddress = "{at}"\n'
            f'private_address = "{host.address}"\n'
            f'user = "{user}"\nkey = "{host.key}"\n'
        )
    file = home / "lab.toml"
    file.write_text(text)
    return load.load(file)


@pytest.fixture
def lab_of(fabric: Fabric) -> Labs:
    return lab_over


@pytest.fixture
def lab(two_hosts: list[Host], lab_of: Labs) -> Lab:
    """A lab over the two hosts, up."""
    made = lab_of(two_hosts)
    up.up(made, quiet())
    return made
