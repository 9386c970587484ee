"""The rendered Vagrantfile."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from provision.lab import provider_settings
from provision.lab.load import load
from provision.providers.vagrant.template import Plan, render, ruby
from provision.support.errors import UserError

CLONE = Path(__file__).parents[4]


PLAN = Plan("libvirt", "swarmrig/debian13", "13.1", "swarmrig-book_", "swarmrig-book", "qemu")


@pytest.mark.parametrize(
    "provider", ["libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv", "docker"]
)
def test_rendering_is_the_same_every_time(provider: str) -> None:
    lab, plan = load(CLONE / "lab.toml"), replace(PLAN, provider=provider)
    assert render(lab, plan) == render(lab, plan)
    assert render(lab, plan).count("config.vm.define") == 2


def test_a_value_cannot_leave_its_quotes() -> None:
    assert ruby("""a' + `rm` #{x} \\""") == """'a\\' + `rm` #{x} \\\\'"""
    with pytest.raises(UserError):
        ruby("a\nb")


def test_the_keys_of_one_machine_are_in_its_own_block(tmp_path: Path) -> None:
    (tmp_path / "my.box").write_text("")
    (tmp_path / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\nbox = 'my.box'\ndisk = 20\n"
        "forward = [{guest = 80, host = 8080}]\n"
    )
    lab = load(tmp_path / "lab.toml")
    first, second = render(lab, PLAN).split("config.vm.define")[1:]
    assert "8080" not in first
    assert f"machine.vm.box = '{tmp_path}/my.box'" in second
    assert "provider.machine_virtual_size = 20" in second
    port = "\"forwarded_port\", guest: 80, host: 8080, host_ip: '127.0.0.1'"
    assert port in second
    other = render(lab, replace(PLAN, provider="virtualbox"))
    assert "machine.vm.disk :disk, size: '20GB', primary: true" in other


def test_a_known_system_is_named_and_one_of_an_own_box_is_not(tmp_path: Path) -> None:
    """Vagrant asks a machine whose system nobody names by some thirty commands over SSH."""
    (tmp_path / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\nbox = 'some/box'\n"
    )
    lab = load(tmp_path / "lab.toml")
    _, first, second = render(lab, replace(PLAN, guest="debian")).split("config.vm.define")
    assert "machine.vm.guest = 'debian'" in first
    assert "guest" not in second
    assert "machine.vm.guest" not in render(lab, PLAN)


def test_machines_of_the_labs_box_are_handed_name_address_and_key(tmp_path: Path) -> None:
    """Those of another box may take none: Vagrant sets it all on them."""
    (tmp_path / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\nbox = 'some/box'\n"
    )
    lab = load(tmp_path / "lab.toml")
    _, first, second = render(lab, replace(PLAN, metadata=True)).split("config.vm.define")
    assert "libvirt__dhcp_enabled: false, auto_config: false\n" in first
    assert "machine.ssh.insert_key = false\n" in first
    # Vagrant would log in once more to see whether the name is set.
    assert "hostname" not in first
    assert "machine.vm.hostname = 'b'\n" in second
    assert f"'type=3,asset=swarmrig a {lab.machines[0].address}/24 ' + public_key\n" in first
    assert "libvirt__dhcp_enabled: false\n" in second
    for text in (second, render(lab, PLAN)):
        assert "insert_key" not in text
        assert "asset" not in text


def test_settings_are_literals_in_the_blocks_of_the_provider(tmp_path: Path) -> None:
    nasty = "x'; `rm` #{y} $(z) \\"
    (tmp_path / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\n[[machines]]\nname = 'b'\n"
        "provider_settings = { libvirt = { cpu_fallback = 'allow', tpm = false } }\n"
        f"[provider_settings.libvirt]\nkeymap = {json.dumps(nasty)}\nboot_wait = 5\n"
        "[provider_settings.virtualbox]\nother = true\n"
    )
    text = render(load(tmp_path / "lab.toml"), PLAN)
    general, first, second = text.split("config.vm.define")
    assert f"    provider.keymap = {ruby(nasty)}\n    provider.boot_wait = 5\n" in general
    assert "cpu_fallback" not in first
    assert "provider.cpu_fallback = 'allow'\n      provider.tpm = false\n" in second
    assert "other" not in text


@pytest.mark.parametrize("provider", provider_settings.SET)
def test_what_is_set_here_cannot_be_set_in_lab_toml(provider: str, tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text(
        "[[machines]]\nname = 'a'\ndisk = 9\n[[machines]]\nname = 'b'\n"
    )
    text = render(load(tmp_path / "lab.toml"), replace(PLAN, provider=provider))
    blocks = re.findall(r"do \|(provider|\w+)\|\n(.*?)\n +end", text, re.DOTALL)
    named = rf"^ +(?:provider|{provider.split('_', maxsplit=1)[0]})\.(\w+)"
    found = {key for _, block in blocks for key in re.findall(named, block, re.MULTILINE)}
    assert found
    assert found <= provider_settings.SET[provider]


def test_hyperv_gets_its_switch(tmp_path: Path) -> None:
    (tmp_path / "lab.toml").write_text('[hyperv]\nswitch = "Default \'Switch"\n')
    text = render(load(tmp_path / "lab.toml"), replace(PLAN, provider="hyperv"))
    assert text.count("machine.vm.network \"public_network\", bridge: 'Default \\'Switch'") == 2


def test_a_container_gets_the_labs_address_and_labels_and_no_box() -> None:
    lab = load(CLONE / "lab.toml")
    text = render(lab, replace(PLAN, provider="docker", box="swarmrig/machine", box_version="13.1"))
    assert "config.vm.box " not in text
    assert "docker.image = 'swarmrig/machine:13.1'" in text
    assert "\"--network\", 'swarmrig-book', \"--ip\", '192.168.56.12'," in text
    assert f"\"--label\", 'swarmrig.folder={lab.state}'," in text
    assert "privileged" not in text.replace("no --privileged", "")
    assert "private_network" not in text
