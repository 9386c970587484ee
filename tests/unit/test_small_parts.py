"""The small parts that all stages lean on."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provision.engine import facts as engine
from provision.engine import images, install
from provision.lab.load import load
from provision.lab.lock import holding, is_held
from provision.providers import conflicts
from provision.providers.boxes import build
from provision.providers.boxes.busybox import write_archive
from provision.providers.libvirt import kvm
from provision.providers.vagrant import requirements
from provision.providers.vagrant.template import Plan, render, ruby
from provision.support.errors import MachineError, MachinesError, UserError
from provision.support.files import sweep, write_atomic
from provision.support.parallel import run_on_all

CLONE = Path(__file__).parents[2]


# -- files ------------------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_atomic(tmp_path / "f", "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, "new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_write_has_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from provision.support import files\n"
        "os.fsync = lambda _: os.kill(os.getpid(), 9)\n"
        f"files.write_atomic(Path({str(tmp_path / 'a' / 'f')!r}), 'half')"
    )
    subprocess.run([sys.executable, "-c", code], cwd=CLONE, check=False)
    write_atomic(tmp_path / "a" / "g", "whole")
    assert len(list((tmp_path / "a").iterdir())) == 2
    sweep(tmp_path, "*/f")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["g"]


# -- many machines at once --------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    name: str


def test_one_failure_stops_no_other_and_all_are_told() -> None:
    def work(machine: Named) -> int:
        if machine.name == "b":
            raise MachineError("b: no", "try again")
        return 1

    with pytest.raises(MachinesError) as caught:
        run_on_all("work", [Named("a"), Named("b"), Named("c")], work)
    assert caught.value.succeeded == ["a", "c"]
    assert str(caught.value) == "work failed on b:\n  b: no\n  done on: a, c"
    assert caught.value.advice == "try again"


def test_a_lab_that_is_held_says_by_whom(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from provision.lab.lock import holding\n"
        f"with holding(Path({str(tmp_path / 'book')!r}), 'up'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=CLONE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with (
        pytest.raises(UserError, match=rf"held by `inv up` \(process {other.pid}"),
        holding(tmp_path / "book", "destroy"),
    ):
        pass
    other.kill()
    other.wait()
    other.stdin.close()
    other.stdout.close()
    with holding(tmp_path / "book", "destroy"):
        pass


def test_a_verb_made_of_verbs_holds_the_lab_from_its_first_to_its_last(tmp_path: Path) -> None:
    state = tmp_path / "book"
    code = (
        "import sys; from pathlib import Path; from provision.lab.lock import holding\n"
        f"with holding(Path({str(state)!r}), 'other'): pass"
    )

    def other() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=False
        )

    with holding(state, "rebuild"):
        assert is_held(state)
        with holding(state, "destroy"):
            pass
        assert "held by `inv rebuild`" in other().stderr
        (state / "kept").touch()
    assert not is_held(state)
    assert other().returncode == 0
    assert (state / "kept").exists()


# -- Docker's installation --------------------------------------------------------------------

BARE = engine.Facts(
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
def test_an_installation_is_a_valid_shell_script(facts: engine.Facts, wanted: str) -> None:
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


# -- images -----------------------------------------------------------------------------------


def test_a_saved_archive_tells_its_tags_and_ids(tmp_path: Path) -> None:
    busybox = tmp_path / "busybox"
    busybox.write_text("#!/bin/sh\necho sh\necho ping\n")
    busybox.chmod(0o755)
    made = write_archive(busybox, tmp_path / "a.tar", "x/y:1")
    assert images.archive_tags(tmp_path / "a.tar") == {"x/y:1": made}
    again = write_archive(busybox, tmp_path / "b.tar", "x/y:1")
    assert made == again
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert "manifest.json" in tar.getnames()


def test_what_is_no_archive_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("no")
    with pytest.raises(UserError, match="not a `docker save` archive"):
        images.archive_tags(tmp_path / "a.tar")


# -- the Vagrantfile --------------------------------------------------------------------------

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


# -- the host ---------------------------------------------------------------------------------


def test_a_subnet_that_the_host_uses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from ipaddress import IPv4Network  # noqa: PLC0415

    lab = load(CLONE / "lab.toml")
    monkeypatch.setattr(
        conflicts, "host_networks", lambda: {"eth7": [IPv4Network("192.168.0.0/16")]}
    )
    (first, _) = conflicts.clashes(lab)
    assert first == (
        "lab.toml: network.subnet: 192.168.56.0/24 is in use on this host: eth7 has 192.168.0.0/16"
    )
    monkeypatch.setattr(conflicts, "host_networks", lambda: {"eth7": [IPv4Network("10.0.0.0/8")]})
    assert conflicts.clashes(lab) == []


def test_machines_larger_than_the_host_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load(CLONE / "lab.toml")
    monkeypatch.setattr(requirements, "memory", lambda: 1500)
    assert "want 2048 MiB of memory, this host has 1500 MiB" in requirements.memory_warnings(lab)[0]
    monkeypatch.setattr(requirements, "memory", lambda: 4000)
    assert requirements.memory_warnings(lab) == []


def fake_vagrant(folder: Path, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "vagrant"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_vagrant_that_is_too_old_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_vagrant(tmp_path, "Vagrant 2.0.1", monkeypatch)
    with pytest.raises(UserError, match=r"Vagrant 2\.0\.1 is too old"):
        requirements.check_vagrant()


def test_no_vagrant_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Vagrant is not installed"):
        requirements.check_vagrant()


def test_a_provider_that_is_missing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "VBoxManage" in requirements.provider_missing("virtualbox")
    assert "prlctl" in requirements.provider_missing("parallels")


def test_kvm_is_not_believed_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert kvm.verdict(fresh=True).works is False


def test_the_recipe_of_the_box_has_a_hash_of_its_own() -> None:
    assert build.recipe_hash(docker=True) != build.recipe_hash(docker=False)


# -- what the SSH library says --------------------------------------------------------------------


def test_the_ssh_librarys_own_log_is_not_printed_to_people() -> None:
    code = (
        "import logging, provision.machine.machine; "
        "logging.getLogger('paramiko.transport').error('Secsh channel 0 open FAILED')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=CLONE, capture_output=True, text=True, check=True
    )
    assert (said.stdout, said.stderr) == ("", "")
