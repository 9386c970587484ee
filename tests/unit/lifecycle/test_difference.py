"""What an edited lab.toml changes, and how each difference is applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import Lab
from provision.lifecycle.difference import differences, scripts

TWO = '[[machines]]\nname = "a"\n[[machines]]\nname = "b"\n'


def lab(folder: Path, text: str) -> Lab:
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


@pytest.mark.parametrize(
    ("text", "machine", "how", "what"),
    [
        (f"{TWO}memory = 2048\n", "b", "restart", "memory 1024 → 2048"),
        (f"{TWO}cpus = 2\n", "b", "restart", "cpus 1 → 2"),
        (f'{TWO}[[machines]]\nname = "c"\n', "c", "added", "added to the lab"),
        (f'{TWO}address = "192.168.56.40"\n', "b", "recreate", "address 192.168.56.12 → "),
        (f'box = "other/box"\n{TWO}', "", "recreate", "box auto → other/box"),
        (f'box_version = "1.2"\n{TWO}', "", "recreate", "box_version not set → 1.2"),
        (f'{TWO}[docker]\nversion = "28.2.2"\n', "", "live", "docker.version distribution → 28"),
        (f"{TWO}[docker.settings]\nmtu = 1400\n", "", "live", "docker.settings: mtu changed"),
        (
            f"{TWO}[swarm]\naddress_pool = ['10.20.0.0/16']\n",
            "",
            "recreate",
            "swarm.address_pool not set → 10.20.0.0/16",
        ),
        (f"{TWO}[swarm]\ndata_path_port = 4790\n", "", "recreate", "swarm.data_path_port not set"),
        (f"{TWO}disk = 20\n", "b", "recreate", "disk not set → 20"),
        (f"{TWO}box = 'x/y'\n", "b", "recreate", "box not set → x/y"),
        (
            f"{TWO}forward = [{{guest = 80, host = 8080}}]\n",
            "b",
            "restart",
            "forward not set → 127.0.0.1:8080 → 80",
        ),
        (f'{TWO}[images]\nscenario = "busybox"\n', "", "live", "images.scenario auto → busybox"),
        (f'{TWO}[network]\nmanagement = "192.168.9.0/24"\n', "", "recreate", "network.management"),
    ],
)
def test_each_difference_says_how_it_is_applied(
    tmp_path: Path, text: str, machine: str, how: str, what: str
) -> None:
    applied = lab(tmp_path, TWO)
    (found,) = differences(applied, lab(tmp_path, text))
    assert (found.machine, found.how) == (machine, how)
    assert found.what.startswith(what)
    assert differences(applied, lab(tmp_path, f"# a comment\n{TWO}")) == []


def test_another_subnet_recreates_the_lab_and_every_address(tmp_path: Path) -> None:
    applied = lab(tmp_path, TWO)
    found = differences(applied, lab(tmp_path, f'{TWO}[network]\nsubnet = "10.9.0.0/24"\n'))
    assert {one.how for one in found} == {"recreate"}
    assert [one.machine for one in found] == ["", "a", "b"]


def test_a_removed_machine_and_another_role(tmp_path: Path) -> None:
    three = f'{TWO}role = "manager"\n[[machines]]\nname = "c"\nrole = "manager"\n'
    found = differences(lab(tmp_path, three), lab(tmp_path, TWO))
    assert [(one.machine, one.how) for one in found] == [
        ("c", "removed"),
        ("a", "live"),
        ("b", "live"),
    ]


def test_a_password_is_not_shown(tmp_path: Path) -> None:
    found = differences(lab(tmp_path, TWO), lab(tmp_path, f'{TWO}[weave]\npassword = "sesame"\n'))
    assert [one.what for one in found] == ["weave changed"]


def test_a_containers_ports_are_published_when_it_is_made(tmp_path: Path) -> None:
    text = f"provider = 'docker'\n{TWO}"
    forward = "forward = [{guest = 80, host = 8080}]\n"
    (found,) = differences(lab(tmp_path, text), lab(tmp_path, text + forward))
    assert found.how == "recreate"


@pytest.mark.parametrize(
    ("keys", "machine"),
    [
        ("provider_settings = { libvirt = { keymap = 'de' } }", "b"),
        ("[provider_settings.libvirt]\nkeymap = 'de'", ""),
    ],
)
def test_settings_of_the_provider_in_use_recreate_the_lab(
    tmp_path: Path, keys: str, machine: str
) -> None:
    was, now = (lab(tmp_path, f"provider = 'libvirt'\n{TWO}{more}") for more in ("", keys))
    (found,) = differences(was, now)
    assert (found.how, found.machine) == ("recreate", machine)
    assert found.what == "provider_settings.libvirt: keymap changed"
    other = lab(tmp_path, f"provider = 'libvirt'\n{TWO}{keys.replace('libvirt', 'virtualbox')}")
    assert differences(was, other) == []


def test_a_script_whose_content_has_changed_runs_again(tmp_path: Path) -> None:
    (tmp_path / "setup.sh").write_text("one")
    applied = lab(tmp_path, f"provision = 'setup.sh'\n{TWO}")
    (tmp_path / "setup.sh").write_text("two")
    wanted = lab(tmp_path, f"provision = 'setup.sh'\n{TWO}")
    (found,) = scripts(applied.scripts, wanted)
    assert str(found) == (
        "setup.sh has changed: run on the machines; what an earlier one did stays"
    )
    assert list(scripts(wanted.scripts, wanted)) == []
    # One that is new is a difference of the definition.
    assert list(scripts({}, wanted)) == []
    (new,) = differences(lab(tmp_path, TWO), wanted)
    assert (new.how, new.what) == ("script", "provision not set → setup.sh")


def test_a_proxys_password_is_not_shown(tmp_path: Path) -> None:
    text = f"{TWO}[proxy]\nhttp = 'http://me:sesame@proxy:3128'\n"
    found = differences(lab(tmp_path, TWO), lab(tmp_path, text))
    assert [str(one) for one in found] == ["proxy changed: applied without a restart"]
    assert "sesame" not in repr(lab(tmp_path, text))


def test_another_way_to_a_host_is_no_difference_and_another_address_is(tmp_path: Path) -> None:
    hosts = 'provider = "hosts"\n[[machines]]\nname = "a"\naddress = "192.0.2.1"\n{}\n'
    hosts += '[[machines]]\nname = "b"\naddress = "192.0.2.2"\n'
    applied = lab(tmp_path, hosts.format(""))
    assert differences(applied, lab(tmp_path, hosts.format('user = "ops"\nmemory = 4096'))) == []
    moved = lab(tmp_path, hosts.format("").replace("2.1", "2.9"))
    assert [one.how for one in differences(applied, moved)] == ["recreate"]
