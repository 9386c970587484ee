"""Which keys and certificates a login is tried with, and what is done where there is no agent."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provision.ssh import auth, client_config
from provision.ssh.auth import Keys
from provision.ssh.endpoint import Endpoint
from provision.support.wait import wait_until

KINDS = ("ed25519", "ecdsa", "rsa")


def keygen(*words: str | Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", *map(str, words)], check=True, capture_output=True, timeout=60
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "id"
    keygen("-t", "ed25519", "-N", "", "-f", file)
    return file


def certificate(folder: Path, key: Path, to: Path) -> Path:
    """A certificate of a key by an authority of its own, written to a file."""
    authority = folder / "authority"
    if not authority.exists():
        keygen("-t", "ed25519", "-N", "", "-f", authority)
    keygen("-s", authority, "-I", "me", "-n", "ops", f"{key}.pub")
    return key.with_name(f"{key.name}-cert.pub").rename(to)


def endpoint(*keys: Path, certificates: tuple[Path, ...] = (), agent: str = "") -> Endpoint:
    return Endpoint(
        "h", 22, "ops", keys, Path("none"), False, agent=agent, certificates=certificates
    )


def offered(end: Endpoint) -> list[str]:
    """The type of each offer, in order: a certificate's, or the key's own."""
    found = []
    for source in Keys(end).get_sources():
        blob = source.pkey.public_blob  # type: ignore[attr-defined]
        found.append(blob.key_type if blob else source.pkey.get_name())  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_named_in_the_settings_is_offered_before_its_key(
    tmp_path: Path, kind: str
) -> None:
    key = tmp_path / "other"
    keygen("-t", kind, "-N", "", "-f", key)
    named = certificate(tmp_path, key, tmp_path / "elsewhere.pub")
    first, second = offered(endpoint(key, certificates=(named,)))
    assert first == f"{second}-cert-v01@openssh.com"


def test_a_certificate_beside_its_key_needs_no_naming_and_the_key_alone_comes_after(
    tmp_path: Path, key: Path
) -> None:
    certificate(tmp_path, key, tmp_path / "id-cert.pub")
    assert offered(endpoint(key)) == ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519"]


def test_a_certificate_of_another_key_is_not_offered(tmp_path: Path, key: Path) -> None:
    other = tmp_path / "other"
    keygen("-t", "ed25519", "-N", "", "-f", other)
    foreign = certificate(tmp_path, other, tmp_path / "foreign.pub")
    assert offered(endpoint(key, certificates=(foreign, tmp_path / "absent"))) == ["ssh-ed25519"]


def test_the_users_settings_name_certificates(
    tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = certificate(tmp_path, key, tmp_path / "a b-cert.pub")
    config = tmp_path / "config"
    config.write_text(f'Host h\n IdentityFile "{key}"\n CertificateFile "{named}"\n')
    end = client_config.resolve(client_config.Target("h", config=config))
    assert end.certificates == (named,)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of an ssh-agent that has no keys yet."""
    path = str(tmp_path / "agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    wait_until(lambda: Path(path).exists(), bool, 30, pause=0.01)
    yield path
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_of_a_key_that_the_agent_has_is_offered_too(
    tmp_path: Path, agent: str, kind: str
) -> None:
    key = tmp_path / "kept"
    keygen("-t", kind, "-N", "", "-f", key)
    subprocess.run(["ssh-add", "-q", key], check=True, capture_output=True)
    named = certificate(tmp_path, key, tmp_path / "elsewhere.pub")
    key.unlink()
    first, second = offered(endpoint(key, certificates=(named,), agent=agent))
    assert first == f"{second}-cert-v01@openssh.com"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(socket, "AF_UNIX")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.mark.usefixtures("windows")
def test_on_windows_the_agent_is_at_openssh_s_own_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = r"\\.\pipe\openssh-ssh-agent"
    assert client_config._agent({}) == pipe
    assert client_config._agent({"identityagent": ["none"]}) == ""
    monkeypatch.setenv("SSH_AUTH_SOCK", "given")
    assert client_config._agent({}) == "given"


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("agent", [r"\\.\pipe\nobody-listens", "/tmp/agent.sock"])
def test_where_no_agent_answers_the_files_are_used(key: Path, agent: str) -> None:
    assert offered(endpoint(key, agent=agent)) == ["ssh-ed25519"]


def test_an_agent_at_a_pipe_is_asked_for_its_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair of sockets plays the pipe: bytes go both ways through one open file."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        theirs.recv(5)
        theirs.sendall(bytes.fromhex("00000005 0c 00000000"))

    threading.Thread(target=answer, daemon=True).start()
    monkeypatch.setattr(auth, "_PIPE", "")
    monkeypatch.setattr(Path, "open", lambda *_, **__: ours.makefile("rwb", buffering=0))
    with auth._agent("pipe") as keys:
        assert keys == ()
    ours.close()
    theirs.close()
