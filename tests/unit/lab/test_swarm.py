"""The networks that a swarm gives to overlay networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from provision.lab import load
from provision.lab.model import SwarmSpec
from provision.support.errors import DefinitionError


def test_what_is_given_is_in_the_lab_and_the_rest_is_the_engines(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_text("[swarm]\naddress_pool = ['10.0.0.0/16', '10.21.0.0/16']\nsubnet_size = 26\n")
    spec = load.load(file).swarm
    assert spec == SwarmSpec(("10.0.0.0/16", "10.21.0.0/16"), 26)
    assert spec.words() == ["address pool 10.0.0.0/16, 10.21.0.0/16", "subnets of /26"]
    file.write_text("")
    assert load.load(file).swarm.words() == []


def test_a_hosts_address_in_the_pool_is_refused(tmp_path: Path) -> None:
    text = 'provider = "hosts"\n[swarm]\naddress_pool = ["10.20.0.0/16"]\n'
    for number in (1, 2):
        text += f'[[machines]]\nname = "m{number}"\naddress = "10.{18 + number}.0.5"\n'
    (tmp_path / "lab.toml").write_text(text)
    with pytest.raises(DefinitionError) as caught:
        load.load(tmp_path / "lab.toml")
    assert str(caught.value) == (
        "lab.toml: swarm.address_pool: 10.20.0.0/16 overlaps 10.20.0.5/32: m2's address"
    )
