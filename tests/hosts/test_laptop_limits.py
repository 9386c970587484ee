"""What a laptop's hosts run out of: disk, the right time, certificates that are valid."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from provision.providers.boxes import busybox
from tests.hosts.conftest import Labs
from tests.hosts.light_hosts import Fabric, Host, wait_for
from tests.hosts.test_lifecycle import Life
from tests.hosts.test_provision import nodes

DATA = "/var/lib/docker"


@pytest.fixture(scope="module")
def hosts(fabric: Fabric) -> Iterator[list[Host]]:
    made = fabric.add("machine18", "machine19")
    yield made
    fabric.remove(*made)


# -- a full disk ----------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(host: Host, size: int) -> Iterator[None]:
    """Docker's folder on a disk of its own of so many MiB, empty at first."""

    def docker(*words: str) -> None:
        host.exec("systemctl", "reset-failed", "docker", "docker.socket", check=False)
        host.exec("systemctl", *words, "docker.socket", "docker")

    docker("stop")
    host.exec("mount", "-t", "tmpfs", "-o", f"size={size}m,mode=711", "tmpfs", DATA)
    docker("start")
    host.wait_ready()
    try:
        yield
    finally:
        docker("stop")
        host.exec("umount", "-l", DATA)
        docker("start")
        host.wait_ready()


@contextlib.contextmanager
def full(host: Host, free: int = 0) -> Iterator[None]:
    """That disk, filled up to so many MiB."""
    host.exec("sh", "-c", f"dd if=/dev/zero of={DATA}/ballast bs=64k 2>/dev/null; true")
    if free:
        host.exec("truncate", "-s", f"-{free}M", f"{DATA}/ballast")
    try:
        yield
    finally:
        host.exec("rm", f"{DATA}/ballast")


def assert_told(said: str, host: Host, size: int) -> None:
    assert "no space left on device" in said
    assert re.search(rf"{host.name}: {DATA} has [0-9]+ MiB free of {size}", said), said
    assert "docker system prune" in said


@pytest.fixture
def large_image(tmp_path: Path) -> Path:
    """An archive of an image that needs 40 MiB."""
    content = tmp_path / "busybox"
    content.write_bytes(Path("/bin/busybox").read_bytes() + os.urandom(40 << 20))
    content.chmod(0o755)
    busybox.write_archive(content, tmp_path / "large.tar", "swarmrig/large:test")
    return tmp_path / "large.tar"


def test_a_disk_too_full_for_an_image_is_told_and_up_resumes_when_there_is_room(
    hosts: list[Host], lab_of: Labs, large_image: Path
) -> None:
    lab = lab_of(hosts, archive=True)
    text = lab.file.read_text()
    lab.file.write_text(text.replace("archives = [", f'archives = ["{large_image}", '))
    life = Life(lab, hosts)
    with small_disk(hosts[1], size=100):
        with full(hosts[1], free=24):
            said = life.inv("up", code=3)
            assert "large.tar could not be loaded" in said
            assert_told(said, hosts[1], 100)
        life.inv("up")
        assert [line.split()[2] for line in nodes(hosts[0])] == ["Ready"] * 2
        life.inv("destroy")


def test_a_disk_that_is_full_is_told_before_anything_waits_for_it(
    hosts: list[Host], lab_of: Labs
) -> None:
    """A task of a node that cannot write it down stays "accepted" for ever."""
    life = Life(lab_of(hosts, archive=True), hosts)
    with small_disk(hosts[1], size=48):
        life.inv("up")
        with full(hosts[1]):
            for words in (["scenario", "overlay"], ["up"]):
                said = life.inv(*words, code=3)
                assert_told(said, hosts[1], 48)
                assert "PASSED" not in said
        life.inv("up")
        with full(hosts[1]):
            hosts[1].exec("systemctl", "restart", "docker", check=False)
            assert_told(life.inv("up", code=3), hosts[1], 48)
        # An engine that had no room for the swarm's networks makes them when it starts again.
        hosts[1].exec("systemctl", "reset-failed", "docker", "docker.socket", check=False)
        hosts[1].exec("systemctl", "restart", "docker")
        life.inv("up")
        assert [line.split()[2] for line in nodes(hosts[0])] == ["Ready"] * 2
        life.inv("destroy")


@pytest.mark.skipif(
    os.environ.get("SWARMRIG_FAULTS") != "all",
    reason="the scenario waits for minutes before it says so: SWARMRIG_FAULTS=all runs it",
)
def test_a_disk_that_fills_up_during_a_scenario_is_named_by_it(
    hosts: list[Host], lab_of: Labs
) -> None:
    life = Life(lab_of(hosts, archive=True), hosts)
    with small_disk(hosts[1], size=48):
        life.inv("up")
        process = life.start("scenario", "overlay")
        assert process.stdout is not None
        assert any("✓   5. " in line for line in process.stdout)
        with full(hosts[1]):
            said = process.stdout.read()
        process.stdout.close()
        assert process.wait(300) == 1, said
        assert "PASSED" not in said
        assert f"{hosts[1].name}: {DATA} has 0 MiB free of 48: no space left on device" in said
        life.inv("destroy")


# -- the wrong time -------------------------------------------------------------------------------


@contextlib.contextmanager
def clock_off(host: Host, by: str) -> Iterator[None]:
    """`date` of the host shows another time: the kernel's clock is one for all hosts here."""
    wrapper = f'#!/bin/sh\nexec /bin/date -d "{by}" "$@"\n'
    host.exec("sh", "-c", f"cat > /usr/local/bin/date <<'END'\n{wrapper}END")
    host.exec("chmod", "755", "/usr/local/bin/date")
    try:
        yield
    finally:
        host.exec("rm", "/usr/local/bin/date")


def test_a_clock_that_is_wrong_by_hours_is_told_before_anything_is_changed(
    hosts: list[Host], lab_of: Labs
) -> None:
    life = Life(lab_of(hosts, archive=True), hosts)
    with clock_off(hosts[1], "-200 minutes"):
        for words in (["up"], ["up", "--dry-run"]):
            said = life.inv(*words, code=3)
            assert "machine19: its clock is 3 h 20 min behind this host's" in said
            assert "(right on machine18)" in said
            assert "timedatectl" in said
    for host in hosts:
        assert host.exec("docker", "info", "-f", "{{.Swarm.LocalNodeState}}").stdout == "inactive\n"
    with clock_off(hosts[0], "+1 day"), clock_off(hosts[1], "+1 day"):
        said = life.inv("up")
        assert "The clocks of all machines are 1 d ahead of this host's" in said


CERTIFICATES = f"{DATA}/swarm/certificates"


def own_authority(host: Host, folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The swarm's certificates come from an authority whose key the test has."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarm-ca")])
    now = datetime.now(UTC)
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=4000))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "ca.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    for file in ("ca.pem", "ca.key"):
        host.exec("sh", "-c", f"cat > /root/{file}", file=folder / file)
    host.exec(
        "docker",
        "swarm",
        "ca",
        "--rotate",
        "-q",
        "--ca-cert",
        "/root/ca.pem",
        "--ca-key",
        "/root/ca.key",
    )
    return authority, key


def valid_only(
    host: Host,
    authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey],
    begin: timedelta,
    end: timedelta,
    folder: Path,
) -> None:
    """The host's own certificate of the swarm is signed again, with another time of validity."""
    file = f"{CERTIFICATES}/swarm-node.crt"
    own = x509.load_pem_x509_certificate(host.exec("cat", file).stdout.encode())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(authority[0].subject)
        .public_key(own.public_key())
        .serial_number(own.serial_number)
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
    )
    for extension in own.extensions:
        if extension.oid != ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
            made = made.add_extension(extension.value, extension.critical)
    (folder / "node.crt").write_bytes(
        made.sign(authority[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + authority[0].public_bytes(serialization.Encoding.PEM)
    )
    host.exec("systemctl", "stop", "docker.socket", "docker")
    host.exec("cp", "-a", file, f"{file}.was")
    host.exec("sh", "-c", f"cat > {file}", file=folder / "node.crt")
    # A fast machine has started it too often by now, says systemd.
    host.exec("systemctl", "reset-failed", "docker", "docker.socket")
    host.exec("systemctl", "start", "docker")
    host.wait_ready()


def test_a_certificate_that_is_not_valid_now_is_told_and_the_way_out_leads_out(
    hosts: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    """As after four months in a drawer, or with a clock that stands at its first day."""
    life = Life(lab_of(hosts, archive=True), hosts)
    life.inv("up")
    before = nodes(hosts[0])
    authority = own_authority(hosts[0], tmp_path)
    second, day = hosts[1], timedelta(days=1)

    def issued() -> bool:
        file = f"{CERTIFICATES}/swarm-node.crt"
        own = x509.load_pem_x509_certificate(second.exec("cat", file).stdout.encode())
        return own.issuer == authority[0].subject

    wait_for("a certificate of that authority", issued)

    valid_only(second, authority, 2 * day, 92 * day, tmp_path)
    said = life.inv("up", code=3)
    assert f"{second.name}: its swarm is in the state error" in said
    assert "not yet valid" in said
    assert "restart Docker there" in said
    # The clock is right again: the certificate is valid, and Docker is restarted.
    file = f"{CERTIFICATES}/swarm-node.crt"
    second.exec("mv", f"{file}.was", file)
    second.exec("systemctl", "reset-failed", "docker")
    second.exec("systemctl", "restart", "docker")
    life.inv("up")
    assert nodes(hosts[0]) == before

    valid_only(second, authority, -120 * day, -30 * day, tmp_path)
    said = life.inv("up", code=3)
    assert "expired" in said
    assert "--recover-swarm" in said
    life.inv("up", "--recover-swarm")
    # A new node under the old name, and no entry of the old one.
    assert [line.split()[1:] for line in nodes(hosts[0])].count([second.name, "Ready"]) == 1
    assert len(nodes(hosts[0])) == 2
