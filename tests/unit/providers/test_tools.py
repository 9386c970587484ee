"""Programs whose output is read are run in the C locale."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from provision.diagnostics import versions
from provision.providers import conflicts
from provision.providers.libvirt import inventory, kvm, virsh
from provision.providers.vagrant import requirements
from provision.support.tools import c_locale, run_tool

GERMAN = """#!/bin/sh
[ "$LC_ALL" = C ] && [ "$LANGUAGE" = C ] || { echo 'auf Deutsch'; exit 0; }
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Make a program that speaks German wherever it is not run in the C locale."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de:en")

    def make(name: str, prints: str) -> None:
        file = tmp_path / name
        file.write_text(f"{GERMAN}cat <<'END'\n{prints}\nEND\n")
        file.chmod(0o755)

    return make


def test_states_are_read_on_a_desktop_that_is_not_in_english(
    program: Callable[[str, str], None],
) -> None:
    program("virsh", " 1   swarmrig-book_machine1   running")
    names = ["machine1", "machine2"]
    assert inventory.states("swarmrig-book_", names) == {
        "machine1": "running",
        "machine2": "absent",
    }
    assert virsh.connection_error() == ""


def test_networks_and_versions_are_read_so_too(program: Callable[[str, str], None]) -> None:
    program("ip", '[{"ifname": "eth7", "addr_info": [{"local": "10.1.2.3", "prefixlen": 8}]}]')
    assert [str(network) for network in conflicts.host_networks()["eth7"]] == ["10.0.0.0/8"]
    program("vagrant", "Vagrant 2.3.4")
    program("VBoxManage", "7.0.20r163906")
    assert requirements.vagrant_version() == "2.3.4"
    assert versions.provider_tools("virtualbox") == {"vagrant": "2.3.4", "virtualbox": "7.0.20"}
    program("qemu", "QEMU emulator version 7.2.0")
    assert kvm._version("qemu") == "QEMU emulator version 7.2.0"


def test_the_rest_of_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    assert c_locale({"A": "1", "LC_ALL": "de"}) == {"A": "1", "LC_ALL": "C", "LANGUAGE": "C"}
    assert run_tool(["sh", "-c", "echo $A $LANGUAGE"], environment={"A": "1"}).stdout == "1 C\n"
    assert "PATH" in c_locale()
