"""The lab's proxy as variables, and the hint at this host's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provision.lab import load, proxy
from provision.lab.model import Lab


def lab(folder: Path, text: str) -> Lab:
    (folder / "lab.toml").write_text(text)
    return load.load(folder / "lab.toml")


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, ""),
        ({"NO_PROXY": "x"}, ""),
        ({"https_proxy": "http://u:pw@p"}, "HTTPS_PROXY is set on this host"),
        ({"HTTP_PROXY": "a", "HTTPS_PROXY": "b"}, "set proxy.http and proxy.https in lab.toml"),
    ],
)
def test_this_hosts_proxy_is_named_and_not_taken(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    hint = proxy.hint(lab(tmp_path, ""), environment)
    assert (said in hint) if said else hint == ""
    assert "pw" not in hint
    assert proxy.hint(lab(tmp_path, "[proxy]\nhttp = 'http://p'"), environment) == ""


def test_programs_started_meanwhile_use_it_and_nobody_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://mine")
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    before = dict(os.environ)
    with proxy.in_environment(lab(tmp_path, "[proxy]\nhttp = 'http://labs'")):
        assert os.environ["http_proxy"] == os.environ["HTTP_PROXY"] == "http://labs"
        assert "192.168.56.0/24" in os.environ["no_proxy"]
    assert dict(os.environ) == before
