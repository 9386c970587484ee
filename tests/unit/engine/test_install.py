"""Docker's installation: nothing where nothing is missing, and valid shell scripts."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from provision.engine import install
from provision.engine.facts import Facts
from provision.support.errors import MachineError

BARE = Facts(
    system="debian",
    release="bookworm",
    docker="",
    daemon="",
    version="",
    tcpdump="",
    active=False,
    group=False,
    member=False,
    apt="/usr/bin/apt-get",
    dnf="",
    needs_apparmor_parser=False,
)
WHOLE = replace(
    BARE, docker="/d", daemon="/e", version="20.10.24", tcpdump="/t", active=True, group=True
)


def test_nothing_is_installed_where_nothing_is_missing() -> None:
    assert install.installation(WHOLE, "distribution") == ""
    assert install.installation(WHOLE, "20.10.24") == ""
    assert install.installation(WHOLE, "20.10") == ""


@pytest.mark.parametrize("wanted", ["distribution", "28.2.2"])
@pytest.mark.parametrize(
    "facts", [BARE, replace(BARE, system="fedora", apt="", dnf="/usr/bin/dnf")]
)
def test_an_installation_is_a_valid_shell_script(facts: Facts, wanted: str) -> None:
    script = install.installation(facts, wanted)
    subprocess.run(["sh", "-n", "-c", script], check=True)
    assert "tcpdump" in script


def test_a_version_is_pinned_to_dockers_own_repository() -> None:
    script = install.installation(WHOLE, "28.2.2")
    assert "docker-ce" in script
    assert r"28\.2\.2" in script
    assert "docker.io " not in script


def test_the_parser_that_apparmor_needs_comes_along() -> None:
    assert "apparmor" in install.installation(
        replace(WHOLE, needs_apparmor_parser=True), "distribution"
    )


def test_a_system_without_a_recipe_is_told() -> None:
    with pytest.raises(MachineError, match="no recipe"):
        install.installation(replace(BARE, apt=""), "distribution")


BARE_HOST = replace(BARE, needs_apparmor_parser=True, user="ops")
WHOLE_HOST = replace(WHOLE, group=False, needs_apparmor_parser=True, user="ops")


def test_an_engine_gets_what_it_lacks_and_no_more() -> None:
    def found(seen: Facts) -> list[str]:
        return [change.what for change in install.plan("m", seen, "distribution", existing=True)]

    group = "put ops into the group docker"
    assert found(BARE_HOST) == ["install Docker, tcpdump, apparmor with apt-get", group]
    whole = replace(WHOLE_HOST, needs_apparmor_parser=False)
    assert found(replace(whole, active=False)) == ["start Docker, now and at boot", group]
    assert found(replace(whole, member=True)) == []
    assert found(replace(whole, user="root")) == []


def test_a_login_goes_into_a_shell_quoted() -> None:
    (group,) = install.plan(
        "m",
        replace(WHOLE_HOST, needs_apparmor_parser=False, user="a;b"),
        "distribution",
        existing=True,
    )
    assert group.script == "usermod -aG docker 'a;b'"


def test_only_a_vm_gets_another_version_in_place_of_the_one_it_has() -> None:
    assert install.plan("m", WHOLE_HOST, "28.2.2", existing=False)
    with pytest.raises(MachineError, match=r"has Docker 20\.10\.24, and lab\.toml wants 28\.2\.2"):
        install.plan("m", WHOLE_HOST, "28.2.2", existing=True)


def test_what_measures_comes_to_machines_of_the_lab_and_to_no_existing_host() -> None:
    def found(seen: Facts, existing: bool) -> list[str]:
        plan = install.plan("m", seen, "distribution", existing)
        return [change.what for change in plan if change.kind == "packages"]

    assert found(BARE_HOST, existing=False) == [
        "install Docker, tcpdump, apparmor, iperf3 with apt-get"
    ]
    assert "iperf3" not in "".join(found(BARE_HOST, existing=True))
    there = replace(BARE_HOST, iperf3="/usr/bin/iperf3")
    assert "iperf3" not in "".join(found(there, existing=False))
    # Nothing is installed for its sake alone: a lab may have no way to a package archive.
    assert found(replace(WHOLE, user="root"), existing=False) == []
