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
