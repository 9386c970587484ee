"""An engine that a swarm is not possible with is refused before anything is changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.engine import facts, install, live_restore
from provision.support.errors import MachineError
from tests.unit.engine.fake_system import FakeSystem
from tests.unit.engine.test_facts import asked
from tests.unit.engine.test_install import BARE, WHOLE

UNIT = """\
# /usr/lib/systemd/system/docker.service
[Service]
EnvironmentFile=-/etc/sysconfig/docker
ExecStart=/usr/bin/dockerd -H fd:// $OPTIONS
# /etc/systemd/system/docker.service.d/x.conf
"""


@pytest.mark.parametrize(
    ("file", "text", "on"),
    [
        ("docker/daemon.json", '{"live-restore":\ttrue}', True),
        ("docker/daemon.json", '{"live-restore": false}', False),
        ("sysconfig/docker", 'OPTIONS="--selinux-enabled \\\n  --live-restore \\\n  --init"', True),
        ("sysconfig/docker", "OPTIONS='--live-restore'", True),
        ("sysconfig/docker", "OPTIONS=--live-restore=true", True),
        ("sysconfig/docker", "OPTIONS=--live-restore=false", False),
        ("sysconfig/docker", "# OPTIONS=--live-restore", False),
        ("default/docker", "DOCKER_OPTS=--live-restore", False),  # no unit reads it here
        ("systemd/system/docker.service.d/x.conf", "ExecStart=dockerd --live-restore", True),
    ],
)
@pytest.mark.parametrize("active", [True, False])
def test_it_is_found_where_it_is_set(
    system: FakeSystem, file: str, text: str, on: bool, active: bool
) -> None:
    path = system.root / "etc" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (system.root / "unit").write_text(UNIT.replace("/etc/", f"{system.root}/etc/"))
    running = "active" if active else "inactive"
    system.command("systemctl", f'[ $1 != cat ] || cat "$ROOT/unit"; echo {running}')
    system.command("docker", "echo false")
    assert asked(system).live_restore == (str(path) if on else "")
    # An engine that waits at its socket would be started by a question.
    assert bool(system.calls("docker")) is active


def test_an_engine_that_has_it_on_is_believed_where_no_file_says_so(system: FakeSystem) -> None:
    system.command("systemctl", "echo active")
    system.command("docker", "echo true")
    assert asked(system).live_restore == facts.UNKNOWN


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(
    ("found", "where"),
    [
        ("/etc/docker/daemon.json", ' ("live-restore" in /etc/docker/daemon.json)'),
        ("/etc/sysconfig/docker", " (--live-restore in OPTIONS of /etc/sysconfig/docker)"),
        ("/etc/systemd/x.conf", " (--live-restore in /etc/systemd/x.conf)"),
        ("?", ""),
    ],
)
def test_it_is_refused_with_the_file_and_the_key(existing: bool, found: str, where: str) -> None:
    for seen in (WHOLE, BARE):
        with pytest.raises(MachineError) as caught:
            install.plan("m", replace(seen, live_restore=found), "distribution", existing)
        assert str(caught.value) == (
            f"m: its Docker has live-restore on{where}, and Docker refuses a swarm with it."
        )
        assert "restart docker" in caught.value.advice


def test_fedoras_own_engine_is_installed_without_it(system: FakeSystem) -> None:
    options = system.root / "etc/sysconfig/docker"
    options.parent.mkdir()
    seen = replace(BARE, system="fedora", apt="", dnf="/usr/bin/dnf")
    system.command(
        "dnf",
        'case "$*" in *moby-engine*) printf "OPTIONS=\\"--selinux-enabled --live-restore --init\\"'
        f'\\n" > {options};; esac',
    )
    done = system.run(install.installation(seen, "distribution"))
    assert done.returncode == 0, done.stderr
    assert options.read_text() == 'OPTIONS="--selinux-enabled --init"\n'
    # It is not there where the package brings none.
    options.unlink()
    assert system.run(live_restore.TURN_OFF).returncode == 0
