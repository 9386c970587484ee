"""Existing hosts are reached as the user's own ssh does it, and no host key is taken on trust."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.cli.lab import ssh
from provision.diagnostics import doctor
from provision.lab import load
from provision.lab.model import Lab
from provision.machine import login
from provision.machine.machine import connected
from provision.providers.existing import HostsProvider
from provision.ssh.host_keys import UnknownHostKey
from provision.support.errors import MachineError, MachinesError
from provision.support.progress import Progress
from tests.hosts.conftest import CLONE, Labs
from tests.hosts.light_hosts import Fabric, Host
from tests.support.progress import quiet


def ask(lab: Lab, command: str = "hostname", machine: str = "machine2") -> str:
    """What a machine of the lab answers to a command."""
    with connected(lab, HostsProvider(lab).endpoints()) as machines:
        machines[machine].connect(patience=0)
        return machines[machine].run_checked(command).strip()


def refused(lab: Lab, machine: str = "machine2") -> MachineError:
    with pytest.raises(MachineError) as caught:
        ask(lab, machine=machine)
    return caught.value


@pytest.fixture
def hops(two_hosts: list[Host], lab_of: Labs, fabric: Fabric) -> Iterator[str]:
    """SSH settings in which machine2 is reached through machine1 only."""
    with fabric.hidden(two_hosts[1]):
        yield (
            f"Host one\n  HostName 10.77.0.1\n  User ops\n  IdentityFile {two_hosts[0].key}\n"
            f"Host two\n  HostName 10.77.0.2\n  User ops\n  IdentityFile {two_hosts[0].key}\n"
        )


def test_a_host_that_has_no_other_way_is_reached_through_a_jump_host(
    two_hosts: list[Host], lab_of: Labs, hops: str
) -> None:
    assert "no SSH" in str(refused(lab_of(two_hosts)))
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyJump one\n")
    assert ask(lab) == "machine2"
    assert ask(lab, "echo $SSH_CONNECTION").startswith("10.77.0.1 ")


def test_the_way_may_stand_in_the_lab_file(two_hosts: list[Host], lab_of: Labs, hops: str) -> None:
    lab = lab_of(two_hosts, settings=hops)
    text = lab.file.read_text().replace(
        'name = "machine2"', 'name = "machine2"\njump = "ops@one:22"'
    )
    lab.file.write_text(text)
    assert ask(load.load(lab.file)) == "machine2"


def test_a_way_may_have_several_hops(two_hosts: list[Host], lab_of: Labs, hops: str) -> None:
    settings = f"{hops}Host far\n  HostName 10.77.0.1\n  ProxyJump one,two\n"
    lab = lab_of(two_hosts, settings=settings)
    text = lab.file.read_text().replace('address = "10.77.0.1"', 'address = "far"', 1)
    lab.file.write_text(text)
    lab = load.load(lab.file)
    assert ask(lab, machine="machine1") == "machine1"
    assert ask(lab, "echo $SSH_CONNECTION", "machine1").startswith("10.77.0.2 ")


def test_a_proxy_command_is_run_as_ssh_runs_it(
    two_hosts: list[Host], lab_of: Labs, hops: str
) -> None:
    config = two_hosts[0].home / "ssh_config"
    way = f"ssh -F {config} -W %h:%p one 2>/dev/null && true"
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyCommand {way}\n")
    assert ask(lab) == "machine2"


def test_a_jump_host_whose_key_is_not_known_is_refused_too(
    two_hosts: list[Host], lab_of: Labs, hops: str
) -> None:
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyJump one\n")
    known = lab.home / "known_hosts"
    known.write_text(only(known, "10.77.0.2"))
    assert isinstance(refused(lab), UnknownHostKey)
    assert "10.77.0.1 shows a host key that is not known yet" in str(refused(lab))


def only(known: Path, name: str) -> str:
    lines = known.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(f"{name} "))


def test_a_jump_host_that_does_not_answer_is_named(
    two_hosts: list[Host], lab_of: Labs, hops: str
) -> None:
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyJump one\n")
    two_hosts[0].exec("systemctl", "stop", "ssh")
    try:
        assert "through the jump host ops@10.77.0.1:22" in str(refused(lab))
    finally:
        two_hosts[0].exec("systemctl", "start", "ssh")
        two_hosts[0].wait_ready()


def test_the_doctor_tells_the_way_to_each_host_and_whose_key_is_not_known(
    two_hosts: list[Host], lab_of: Labs, hops: str
) -> None:
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyJump one\n")
    (lab.home / "known_hosts").write_text(only(lab.home / "known_hosts", "10.77.0.1"))
    told = {finding.what: finding.state for finding in doctor.examine(lab)}
    assert told["machine1: ops@10.77.0.1:22"] == "ok"
    way = "machine2: ops@10.77.0.2:22 (host key not known yet) through ops@10.77.0.1:22"
    assert told[way] == "warning"


def test_inv_ssh_goes_the_same_way(
    two_hosts: list[Host], lab_of: Labs, hops: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lab = lab_of(two_hosts, settings=f"{hops}Host 10.77.0.2\n  ProxyJump one\n")
    lab.state.mkdir(parents=True, exist_ok=True)
    (lab.state / "lab.toml").write_text(lab.file.read_text())
    assert ssh(str(lab.file), "machine2", "echo $SSH_CONNECTION; exit 7") == 7
    assert capfd.readouterr().out.startswith("10.77.0.1 ")


def test_a_key_may_be_the_agents(two_hosts: list[Host], lab_of: Labs, tmp_path: Path) -> None:
    socket = tmp_path / "agent"
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    try:
        while not socket.exists():
            assert agent.poll() is None
        lab = lab_of(two_hosts, settings=f"Host *\n  IdentityAgent {socket}\n")
        text = lab.file.read_text().replace(f'key = "{two_hosts[0].key}"\n', "")
        lab.file.write_text(text)
        lab = load.load(lab.file)
        assert "does not accept" in str(refused(lab))
        env = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        subprocess.run(["ssh-add", "-q", str(two_hosts[0].key)], check=True, env=env)
        assert ask(lab) == "machine2"
    finally:
        agent.terminate()
        agent.wait()


def test_a_certificate_lets_in_where_the_key_alone_does_not(
    two_hosts: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    host, key, authority = two_hosts[1], tmp_path / "mine", tmp_path / "authority"
    for file in (key, authority):
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(file)], check=True)
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "me", "-n", "ops", f"{key}.pub"]
    subprocess.run(sign, check=True)
    certificate = (tmp_path / "mine-cert.pub").rename(tmp_path / "named.pub")
    trusted = Path(f"{authority}.pub").read_text().strip()
    host.exec("sh", "-c", f"echo '{trusted}' > /etc/ssh/authority.pub")
    line = "TrustedUserCAKeys /etc/ssh/authority.pub"
    host.exec("sh", "-c", f"echo {line} > /etc/ssh/sshd_config.d/authority.conf")
    host.exec("systemctl", "restart", "ssh")
    named = ""
    for settings in ("", f"Host *\n  CertificateFile {certificate}\n"):
        lab = lab_of(two_hosts, settings=settings)
        lab.file.write_text(lab.file.read_text().replace(str(two_hosts[0].key), str(key)))
        lab = load.load(lab.file)
        named = ask(lab) if settings else str(refused(lab))
    assert named == "machine2"


def test_a_key_with_a_passphrase_is_told_with_what_to_do(
    two_hosts: list[Host], lab_of: Labs, tmp_path: Path
) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-N", "secret", "-f", str(key)], check=True)
    lab = lab_of(two_hosts)
    lab.file.write_text(lab.file.read_text().replace(str(two_hosts[0].key), str(key)))
    assert "ssh-add" in refused(load.load(lab.file)).advice


# -- host keys ------------------------------------------------------------------------------------


def test_an_unknown_host_is_refused_with_the_command_that_helps(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts)
    (lab.home / "known_hosts").write_text("")
    error = refused(lab)
    shown = two_hosts[1].exec("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub").stdout
    assert f"ssh-ed25519 {shown.split()[1]}" in str(error)
    assert f"ssh -F {lab.home}/ssh_config -l ops -i" in error.advice
    assert error.advice.endswith("-- 10.77.0.2 true")


def test_a_changed_key_is_refused_with_file_and_line_whatever_is_asked_for(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts, settings="StrictHostKeyChecking no\n")
    known = lab.home / "known_hosts"
    other = only(known, "10.77.0.1").split()
    known.write_text(f"# a comment\n10.77.0.2 {' '.join(other[1:])}\n")
    with (
        connected(lab, HostsProvider(lab, trust_new=True).endpoints()) as machines,
        pytest.raises(MachinesError) as caught,
    ):
        login.reach(machines, quiet(), ask=lambda *_: True)
    assert f"{known}:2 (ssh-ed25519)" in str(caught.value)
    assert known.read_text().count("10.77.0.2") == 1


def test_a_revoked_key_is_refused(two_hosts: list[Host], lab_of: Labs) -> None:
    lab = lab_of(two_hosts)
    known = lab.home / "known_hosts"
    line = only(known, "10.77.0.2")
    known.write_text(f"{line}@revoked * {' '.join(line.split()[1:])}\n")
    assert f"revoked at {known}:2" in str(refused(lab))


def test_the_type_of_key_that_is_known_is_asked_for(two_hosts: list[Host], lab_of: Labs) -> None:
    host = two_hosts[1]
    host.exec("ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", "/etc/ssh/ssh_host_rsa_key")
    host.exec(
        "sh", "-c", "echo HostKey /etc/ssh/ssh_host_rsa_key > /etc/ssh/sshd_config.d/rsa.conf"
    )
    host.exec("systemctl", "restart", "ssh")
    lab = lab_of(two_hosts)
    key = host.exec("cat", "/etc/ssh/ssh_host_rsa_key.pub").stdout
    (lab.home / "known_hosts").write_text(f"10.77.0.2 {key}")
    assert ask(lab) == "machine2"


def test_a_host_may_be_known_by_an_alias_and_for_all_users(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts)
    known = lab.home / "known_hosts"
    line = only(known, "10.77.0.2")
    (lab.home / "everybody").write_text(f"two {' '.join(line.split()[1:])}\n")
    known.write_text("")
    lab = lab_of(
        two_hosts,
        settings="Host 10.77.0.2\n  HostKeyAlias two\n  UserKnownHostsFile none\n"
        f"  GlobalKnownHostsFile {lab.home}/everybody\n",
    )
    assert ask(lab) == "machine2"


def test_on_a_terminal_an_unknown_host_is_asked_for_once_and_written_down(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts)
    known = lab.home / "known_hosts"
    known.write_text("")
    asked: list[str] = []

    def say(answer: bool) -> list[str]:
        def answered(unknown: UnknownHostKey, progress: Progress) -> bool:
            asked.append(unknown.end.host)
            return answer

        with connected(lab, HostsProvider(lab).endpoints()) as machines:
            login.reach(machines, quiet(), ask=answered)
        return sorted(asked)

    with pytest.raises(MachinesError, match="not known yet"):
        say(False)
    assert known.read_text() == ""
    asked.clear()
    assert say(True) == ["10.77.0.1", "10.77.0.2"]
    assert say(True) == ["10.77.0.1", "10.77.0.2"]


def test_the_question_shows_the_fingerprint_and_takes_only_yes(
    two_hosts: list[Host], lab_of: Labs
) -> None:
    lab = lab_of(two_hosts)
    (lab.home / "known_hosts").write_text(only(lab.home / "known_hosts", "10.77.0.1"))
    code = (
        "import sys; from provision.lab import load; from provision.machine import login;"
        "from provision.machine.machine import connected;"
        "from provision.support.progress import Progress;"
        "from provision.providers.existing import HostsProvider;"
        "lab = load.load(__import__('pathlib').Path(sys.argv[1])); p = Progress();\n"
        "with p, connected(lab, HostsProvider(lab).endpoints()) as m: login.reach(m, p)\n"
    )

    def answer(text: str) -> tuple[str, int]:
        ours, theirs = pty.openpty()
        argv = [sys.executable, "-c", code, str(lab.file)]
        run = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, cwd=CLONE)
        os.close(theirs)
        said = ""
        while "yes/no" not in said:
            said += os.read(ours, 4096).decode()
        os.write(ours, f"{text}\n".encode())
        while run.poll() is None:
            try:
                said += os.read(ours, 4096).decode()
            except OSError:
                break
        os.close(ours)
        return said, run.wait()

    said, code_of_y = answer("y")
    assert code_of_y != 0
    assert "SHA256:" in said
    assert answer("yes")[1] == 0
    assert "10.77.0.2 ssh-ed25519" in (lab.home / "known_hosts").read_text()


@pytest.mark.parametrize("how", ["settings", "flag"])
def test_new_hosts_are_trusted_only_where_that_is_said(
    two_hosts: list[Host], lab_of: Labs, how: str
) -> None:
    accept = "StrictHostKeyChecking accept-new\n" if how == "settings" else ""
    lab = lab_of(two_hosts, settings=accept)
    (lab.home / "known_hosts").write_text("")
    with connected(lab, HostsProvider(lab, trust_new=how == "flag").endpoints()) as machines:
        login.reach(machines, quiet())
    assert (lab.home / "known_hosts").read_text().count("ssh-ed25519") == 2
