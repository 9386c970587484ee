"""The test driver's own choices; what it does to networks is shown on real daemons."""

from __future__ import annotations

import pytest

from tests.vxlan_driver.driver import VNI, Driver, DriverError, mac_of


def allocate(driver: Driver, network: str, **options: str) -> int:
    answer = driver.allocate_network({"NetworkID": network, "Options": options})
    return int(answer["Options"][VNI])


def test_a_network_has_the_same_vni_however_often_it_is_asked_for() -> None:
    assert allocate(Driver([]), "a") == allocate(Driver([]), "a")
    driver = Driver([])
    assert allocate(driver, "a") == allocate(driver, "a")


def test_two_networks_never_share_a_vni() -> None:
    driver = Driver([])
    first = allocate(driver, "a")
    assert allocate(driver, "b", **{VNI: str(first + 1)}) == first + 1
    with pytest.raises(DriverError, match="is taken by network a"):
        allocate(driver, "c", **{VNI: str(first)})
    driver.free_network({"NetworkID": "a"})
    assert allocate(driver, "c", **{VNI: str(first)}) == first
    # Its own choice steps past one that is taken.
    assert allocate(driver, "a") == first + 2


@pytest.mark.parametrize("vni", ["0", str(1 << 24), "x"])
def test_a_vni_that_is_none_is_refused(vni: str) -> None:
    with pytest.raises((DriverError, ValueError)):
        allocate(Driver([]), "a", **{VNI: vni})


def test_a_network_without_a_vni_was_not_made_by_the_swarm() -> None:
    with pytest.raises(DriverError, match="swarm networks only"):
        Driver([]).create_network({"NetworkID": "a", "Options": {}})


def test_a_hardware_address_tells_the_address() -> None:
    assert mac_of("10.1.1.3/24") == "02:42:0a:01:01:03"
