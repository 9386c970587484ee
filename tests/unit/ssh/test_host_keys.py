"""What known_hosts files say of a host, in every way they can say it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import paramiko
import pytest

from provision.lab import load
from provision.ssh import host_keys
from provision.ssh.client_config import Target, resolve
from provision.ssh.endpoint import Endpoint
from provision.support.errors import DefinitionError, UserError

KEY = paramiko.ECDSAKey.generate()
OTHER = paramiko.ECDSAKey.generate()


def end(file: Path, port: int = 22, **more: object) -> Endpoint:
    return Endpoint("h", port, "u", (), file, trust_first=False, **more)  # type: ignore[arg-type]


def line(names: str, key: paramiko.PKey = KEY, marker: str = "") -> str:
    return f"{marker}{names} {key.get_name()} {key.get_base64()} a comment\n"


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (line("h"), 22),
        (line("other,h"), 22),
        (line("?"), 22),
        (line("[h]:2222"), 2222),
        (line("h", OTHER) + line("h"), 22),
    ],
)
def test_a_key_that_is_known_is_taken(tmp_path: Path, text: str, port: int) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    at = end(file, port)
    host_keys.check(at, KEY, host_keys.lookup(at))
    with pytest.raises(host_keys.HostKeyError):
        host_keys.check(at, paramiko.ECDSAKey.generate(), host_keys.lookup(at))


def test_hashed_names_are_read(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(line("h"))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "h " not in file.read_text().split(KEY.get_name())[0]
    host_keys.check(end(file), KEY, host_keys.lookup(end(file)))


@pytest.mark.parametrize(
    ("text", "port"),
    [("", 22), (line("g"), 22), (line("h"), 2222), (line("*", marker="@cert-authority "), 22)],
)
def test_a_key_of_which_nothing_is_known_is_unknown(tmp_path: Path, text: str, port: int) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(text)
    at = end(file, port)
    with pytest.raises(host_keys.UnknownHostKey):
        host_keys.check(at, KEY, host_keys.lookup(at))


def test_a_line_written_down_does_not_run_into_one_that_has_no_end(tmp_path: Path) -> None:
    file = tmp_path / "ssh" / "known_hosts"
    file.parent.mkdir()
    file.write_text(line("g").rstrip("\n"))
    for _ in range(2):
        host_keys.write_down(end(file), KEY)
    assert len(file.read_text().splitlines()) == 2
    host_keys.check(end(file), KEY, host_keys.lookup(end(file)))


# -- the user's own settings ----------------------------------------------------------------------


def settings(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config"
    file.write_text(text)
    return file


def test_a_ring_of_jump_hosts_is_a_mistake(tmp_path: Path) -> None:
    config = settings(tmp_path, "Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(UserError, match="ring"):
        resolve(Target("a", config=config))


def test_settings_that_ssh_does_not_take_are_told_with_its_words(tmp_path: Path) -> None:
    config = settings(tmp_path, "Hots a\n")
    with pytest.raises(UserError, match="Bad configuration option: hots"):
        resolve(Target("a", config=config))


def test_everything_that_decides_how_a_host_is_reached_is_taken_over(tmp_path: Path) -> None:
    key = tmp_path / "a-lab"
    key.write_text("")
    other = settings(tmp_path, f"Host a\n Port 2022\n IdentityFile {tmp_path}/%n-%r\n")
    config = tmp_path / "main"
    config.write_text(
        f"Include {other}\nHost a\n HostName 192.0.2.7\n User lab\n HostKeyAlias alias\n"
        f" UserKnownHostsFile {tmp_path}/one {tmp_path}/two\n GlobalKnownHostsFile none\n"
        " IdentityAgent none\n IdentitiesOnly yes\n ProxyJump x@[2001:db8::1]:23,last:24\n"
    )
    found = resolve(Target("a", config=config))
    assert (found.host, found.port, found.user) == ("192.0.2.7", 2022, "lab")
    assert (found.key_name, found.agent, found.only_keys, found.keys) == ("alias", "", True, (key,))
    assert (found.known_hosts, found.also_known) == (tmp_path / "one", (tmp_path / "two",))
    last = found.jump
    assert last is not None
    assert last.jump is not None
    assert (last.host, last.port) == ("last", 24)
    assert str(last.jump) == "x@2001:db8::1:23"


def test_what_the_lab_file_says_comes_before_the_settings(tmp_path: Path) -> None:
    config = settings(tmp_path, "Host a\n User other\n Port 1\n ProxyJump b\n")
    found = resolve(Target("a", user="me", port=2, jump="c", config=config))
    assert (found.user, found.port) == ("me", 2)
    assert found.jump is not None
    assert found.jump.host == "c"


def test_nothing_of_the_lab_file_gets_into_a_proxy_commands_shell(tmp_path: Path) -> None:
    config = settings(tmp_path, "Host *\n ProxyCommand connect %h %r\n")
    assert resolve(Target("a", user="me", config=config)).proxy_command == "connect a me"
    with pytest.raises(UserError):
        resolve(Target("a", user="me;touch /tmp/x", config=config))


@pytest.mark.parametrize("jump", ["-oProxyCommand=x y", "a b", "a;b", "$(x)", "`x`", "a'b"])
def test_a_way_in_the_lab_file_is_no_shell_text(tmp_path: Path, jump: str) -> None:
    file = tmp_path / "lab.toml"
    file.write_text(
        'provider = "hosts"\n'
        + "".join(
            f'[[machines]]\nname = "{name}"\naddress = "10.0.0.{name[1]}"\njump = "{jump}"\n'
            for name in ("m1", "m2")
        )
    )
    with pytest.raises(DefinitionError, match="jump"):
        load.load(file)


def test_a_host_cannot_be_an_option(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(UserError):
        resolve(Target(f"-oProxyCommand=touch {marker}", config=settings(tmp_path, "")))
    assert not marker.exists()
