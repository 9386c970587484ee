"""What is asked of a machine, answered by a real shell."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import cast

from provision.engine import facts
from provision.engine.facts import Facts
from provision.machine.machine import Machine
from tests.unit.engine.fake_system import FakeSystem


def asked(system: FakeSystem) -> Facts:
    return facts.facts(machine(system))


def machine(system: FakeSystem) -> Machine:
    """A machine whose commands are run on the fake system, as root."""

    def run_checked(script: str, timeout: float = 0, sudo: bool = False) -> str:
        done = subprocess.run(
            ["sh", "-c", system.placed(script)],
            check=True,
            capture_output=True,
            text=True,
            env=system.environment,
        )
        return done.stdout

    return cast("Machine", SimpleNamespace(name="m", run_checked=run_checked))


def test_a_derivative_says_what_it_is_made_of(system: FakeSystem) -> None:
    (system.root / "etc/os-release").write_text(
        "ID=linuxmint\nVERSION_CODENAME=xia\nUBUNTU_CODENAME=noble\nDEBIAN_CODENAME=bookworm\n"
    )
    seen = asked(system)
    assert (seen.system, seen.release) == ("linuxmint", "xia")
    assert (seen.ubuntu_codename, seen.debian_codename) == ("noble", "bookworm")


def test_packages_that_swarmrig_has_entered_and_not_yet_held_back_are_named(
    system: FakeSystem,
) -> None:
    system.command(
        "dpkg-query",
        'case $4 in docker-ce) printf "ii ";; docker-ce-cli) printf "hi ";; *) printf "un ";; esac',
    )
    assert asked(system).unheld == ""
    (system.root / "etc/apt/sources.list.d/swarmrig-docker.list").write_text("deb …\n")
    assert asked(system).unheld == "docker-ce"


def test_a_package_on_hold_is_an_installed_one_and_settings_alone_are_none(
    system: FakeSystem,
) -> None:
    system.command("dpkg-query", r'printf "ii  bash\nhi  docker-ce\nrc  docker.io\nun  runc\n"')
    system.command("apt-mark", "echo docker-ce; echo linux-image")
    system.command("rpm", "true")
    before = facts.before(machine(system))
    assert before["packages"].split() == ["bash", "docker-ce"]
    assert before["configs"].split() == ["docker.io"]
    assert before["holds"].split() == ["docker-ce", "linux-image"]


def test_keys_of_rpm_are_told_apart(system: FakeSystem) -> None:
    system.command("dpkg-query", "exit 1")
    system.command("rpm", r'printf "bash 5-1\ngpg-pubkey 621e9f35-58adea78\ngpg-pubkey 1-2\n"')
    assert facts.before(machine(system))["packages"].split() == [
        "bash",
        "gpg-pubkey-621e9f35-58adea78",
        "gpg-pubkey-1-2",
    ]


def test_what_came_since_is_packages_and_holds(system: FakeSystem) -> None:
    system.command("dpkg-query", r'printf "ii  bash\nhi  docker-ce\n"')
    system.command("apt-mark", "echo linux-image; echo docker-ce")
    host = machine(system)
    earlier = {"packages": "bash", "holds": "linux-image"}
    assert facts.added(host, earlier) == {"added": "docker-ce", "held": "docker-ce"}
    # A journal that was written before holds were is asked for none.
    assert facts.added(host, {"packages": "bash"}) == {"added": "docker-ce"}
