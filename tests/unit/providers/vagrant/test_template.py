"""The rendered Vagrantfile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

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


def test_a_container_gets_the_labs_address_and_labels_and_no_box() -> None:
    lab = load(CLONE / "lab.toml")
    text = render(lab, replace(PLAN, provider="docker", box="swarmrig/machine", box_version="13.1"))
    assert "config.vm.box " not in text
    assert "docker.image = 'swarmrig/machine:13.1'" in text
    assert "\"--network\", 'swarmrig-book', \"--ip\", '192.168.56.12'," in text
    assert f"\"--label\", 'swarmrig.folder={lab.state}'," in text
    assert "privileged" not in text.replace("no --privileged", "")
    assert "private_network" not in text
