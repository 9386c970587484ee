"""An archive for a bug report: all that there is, and no secret in it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from provision.diagnostics import doctor, logs, versions
from provision.lab import load
from provision.support import redact
from tests.support.progress import quiet

KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\nAAAA\n-----END OPENSSH PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("docker swarm join --token SWMTKN-1-49nj1c-8vxv8r 192.168.56.11:2377", "192.168.56.11"),
        ("unlock with SWMKEY-1-fySn8TY4w5lKcWcJPIpKufejh9hxx5KYwx6XZigx3Q4.", "unlock with"),
        (f"before\n{KEY}\nafter", "after"),
        (KEY[:60], "BEGIN OPENSSH PRIVATE KEY"),
        ("WEAVE_PASSWORD=hunter2 weave launch", "weave launch"),
        ('"Env": ["WEAVE_PASSWORD=hunter2", "A=1"]', '"A=1"'),
        ('password = "hunter 2"\nplugin = "p"', 'plugin = "p"'),
        ("password: 'hunter2'", "password"),
        ('{"db_password": "hunter\\"2", "user": "ann"}', '"user": "ann"'),
        ("login --password hunter2 --user ann", "--user ann"),
        ("https://ann:hunter2@example.org/v2/", "https://ann:"),
        ("Authorization: Bearer hunter2", "Authorization"),
        ('{"auths": {"r": {"auth": "aHVudGVyMg=="}}}', '"r"'),
        ("API_KEY=hunter2", "API_KEY"),
    ],
)
def test_what_looks_like_a_secret_goes_and_what_stands_around_it_stays(
    text: str, left: str
) -> None:
    told = redact.redacted(text)
    assert redact.GONE in told
    assert left in told
    for secret in ("49nj1c", "fySn8", "b3Blb", "hunter", "aHVud"):
        assert secret not in told


@pytest.mark.parametrize(
    "text",
    [
        "machine1: joining the swarm of machine2",
        "IdentityFile /home/ann/.swarmrig/book/vagrant/machines/machine1/libvirt/private_key",
        'key = "~/.ssh/id_ed25519"',
        "sha256:" + "a" * 64,
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI host key",
        "http://localhost:1/v1.41/info",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact.redacted(text) == text


def test_a_secret_that_is_known_goes_wherever_it_stands() -> None:
    assert redact.redacted("it said swordfish!", ["swordfish", ""]) == f"it said {redact.GONE}!"


def test_secrets_are_found_in_a_lab_file_by_the_names_of_their_keys() -> None:
    document = {"weave": {"password": "a", "plugin": "b"}, "list": [{"api_token": "c", "key": "d"}]}
    assert list(redact.secrets_in(document)) == ["a", "c"]


def test_an_archive_is_made_of_a_lab_that_is_broken_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMRIG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: [doctor.Finding("ok", "all is well")])
    monkeypatch.setattr(versions, "provider_tools", lambda _: {"vagrant": "2.3.4"})
    (tmp_path / "lab.toml").write_text('[weave]\npassword = "swordfish"\n')
    lab = load.load(tmp_path / "lab.toml")
    lab.state.mkdir(parents=True)
    (lab.state / "plan.json").write_text("half a ")
    (lab.state / "vagrant.log").write_text(f"the mesh says swordfish\n{KEY}\n")
    made = logs.collect(lab, quiet())
    with tarfile.open(made) as tar:
        texts = {
            member.name.split("/", 1)[1]: file.read().decode()
            for member in tar.getmembers()
            if (file := tar.extractfile(member))
        }
    assert texts["lab/vagrant.log"].startswith(f"the mesh says {redact.GONE}\n")
    assert "all is well" in texts["host/doctor.txt"]
    assert '"vagrant": "2.3.4"' in texts["host/versions.json"]
    assert "plan.json cannot be read" in texts["machines.missing.txt"]
    assert not any("swordfish" in text or "b3Blb" in text for text in texts.values())


def test_of_a_log_that_is_long_its_end_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_MOST", 5)
    archive = logs._Archive([])
    archive.add("a", "0123456789")
    assert archive.files["a"] == "(the last 5 characters of 10)\n56789"
