"""The rendered Vagrantfile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provision.lab.load import load
from provision.providers.vagrant.template import Plan, render, ruby
from provision.support.errors import UserError

CLONE = Path(__file__).parents[4]


PLAN = Plan("libvirt", "swarmrig/debian12", "12.1", "swarmrig-book_", "swarmrig-book", "qemu")


@pytest.mark.parametrize(
    "provider", ["libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv"]
)
def test_rendering_is_the_same_every_time(provider: str) -> None:
    lab, plan = load(CLONE / "lab.toml"), replace(PLAN, provider=provider)
    assert render(lab, plan) == render(lab, plan)
    assert render(lab, plan).count("config.vm.define") == 2


def test_a_value_cannot_leave_its_quotes() -> None:
    assert ruby("""a' + `rm` #{x} \\""") == """'a\\' + `rm` #{x} \\\\'"""
    with pytest.raises(UserError):
        ruby("a\nb")
