"""Secrets are taken out of text, and nothing else is."""

from __future__ import annotations

import pytest

from provision.support import redact

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
