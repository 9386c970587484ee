"""Docker's own repository: entered with its own key only, one version of it, held back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provision.engine import install, repository
from provision.engine.facts import Facts
from tests.unit.engine.fake_system import LOCKED_ONCE, FakeSystem
from tests.unit.engine.test_install import BARE

FEDORA = replace(BARE, system="fedora", release="", apt="", dnf="/usr/bin/dnf")
VERSIONS = ("5:28.2.20-1", "5:28.2.2-1", "5:28.1.1-1")
_PRINTED = '[ "$1" != --print-architecture ] || { echo amd64; exit; }\n'
_DOWNLOAD = 'while [ "$1" != -o ]; do shift; done; echo KEY > "$2"'


def serve(system: FakeSystem, *fingerprints: str) -> None:
    """Docker's repository, with keys of these fingerprints in its file."""
    listed = "".join(
        f"pub:-:4096:1:8D81803C0EBFCD88:1487792064::::::::\\nfpr:::::::::{one}:\\n"
        f"sub:-:4096:1:7EA0A9C3F273FCD8:1487792064::::\\nfpr:::::::::{'5' * 40}:\\n"
        for one in fingerprints
    )
    system.command("gpg", f"printf '{listed}'")
    system.command("curl", _DOWNLOAD)
    system.command("dpkg", _PRINTED)
    rows = "\n".join(f"docker-ce | {version} | x" for version in VERSIONS)
    system.command(
        "apt-cache", f"case $1 in madison) echo '{rows}';; *) echo '  Candidate: 1';; esac"
    )


def apt_files(system: FakeSystem) -> list[str]:
    files = (file for file in (system.root / "etc").rglob("*") if file.is_file())
    return sorted(str(file.relative_to(system.root)) for file in files)


def test_the_repository_is_entered_with_dockers_key_and_one_exact_version_held_back(
    system: FakeSystem,
) -> None:
    serve(system, repository.APT_FINGERPRINT)
    done = system.run(install.installation(BARE, "28.2.2"))
    assert done.returncode == 0, done.stderr
    etc = system.root / "etc/apt"
    assert (etc / "keyrings/swarmrig-docker.asc").read_text() == "KEY\n"
    assert (etc / "sources.list.d/swarmrig-docker.list").read_text() == (
        f"deb [arch=amd64 signed-by={etc}/keyrings/swarmrig-docker.asc] "
        "https://download.docker.com/linux/debian bookworm stable\n"
    )
    (url,) = system.calls("curl")
    assert "--proto =https https://download.docker.com/linux/debian/gpg" in url
    engine = [call for call in system.calls("apt-get") if "docker-ce" in call]
    assert engine[0].endswith("docker-ce=5:28.2.2-1 docker-ce-cli=5:28.2.2-1 containerd.io")
    assert system.calls("apt-mark") == ["apt-mark hold docker-ce docker-ce-cli containerd.io"]
    calls = system.calls()
    assert calls.index("apt-mark hold docker-ce docker-ce-cli containerd.io") > calls.index(
        engine[0]
    )


OTHER = "0123456789ABCDEF0123456789ABCDEF01234567"


@pytest.mark.parametrize(
    "keys", [(OTHER,), (repository.APT_FINGERPRINT, OTHER), (), (repository.RPM_FINGERPRINT,)]
)
def test_a_wrong_key_is_refused_and_leaves_nothing(system: FakeSystem, keys: list[str]) -> None:
    serve(system, *keys)
    done = system.run(install.installation(BARE, "28.2.2"))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "the key at https://download.docker.com/linux/debian/gpg is not Docker's: its fingerprint "
        f"is {' '.join(keys) or 'none'}, not {repository.APT_FINGERPRINT}"
    )
    assert apt_files(system) == []
    assert not [call for call in system.calls() if "docker-ce" in call]


@pytest.mark.parametrize("fails", ["update", "version", "install"])
def test_a_repository_that_cannot_be_used_leaves_nothing(system: FakeSystem, fails: str) -> None:
    serve(system, repository.APT_FINGERPRINT)
    entry = "etc/apt/sources.list.d/swarmrig-docker.list"
    if fails == "update":
        system.command(
            "apt-get",
            f'! [ "$2" = update -a -e "$ROOT/{entry}" ] || '
            "{ echo 'E: The repository does not have a Release file.' >&2; exit 100; }",
        )
    if fails == "install":
        system.command("apt-get", 'case "$*" in *docker-ce*) exit 100;; esac')
    wanted = "28.2.9" if fails == "version" else "28.2.2"
    done = system.run(install.installation(BARE, wanted))
    assert done.returncode != 0
    assert apt_files(system) == []
    if fails == "version":
        assert "has no docker-ce 28.2.9 for bookworm" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docker.list", "deb https://download.docker.com/linux/debian bookworm stable\n"),
        ("docker.sources", "Types: deb\nURIs: https://download.docker.com/linux/debian\n"),
    ],
)
def test_an_entry_that_the_host_has_already_is_used_as_it_is(
    system: FakeSystem, name: str, text: str
) -> None:
    serve(system)
    file = system.root / "etc/apt/sources.list.d" / name
    file.write_text(text)
    done = system.run(install.installation(BARE, "28.2.2", existing=True))
    assert done.returncode == 0, done.stderr
    assert apt_files(system) == [f"etc/apt/sources.list.d/{name}"]
    assert file.read_text() == text
    assert system.calls("curl") == []


def test_the_entry_of_an_installation_that_was_cut_off_is_made_again(system: FakeSystem) -> None:
    serve(system, repository.APT_FINGERPRINT)
    file = system.root / "etc/apt/sources.list.d/swarmrig-docker.list"
    file.write_text("deb https://download.docker.com/linux/debian bookworm")
    assert system.run(install.installation(BARE, "28.2.2")).returncode == 0
    assert file.read_text().endswith("bookworm stable\n")


def test_on_a_host_nothing_is_removed_for_it_and_no_hold_is_broken() -> None:
    for wanted in ("28.2.2", "distribution"):
        own = install.installation(BARE, wanted, existing=False)
        theirs = install.installation(BARE, wanted, existing=True)
        assert "--allow-change-held-packages" in own
        assert "--allow-change-held-packages" not in theirs
        installs = [line for line in theirs.splitlines() if " install -y " in line]
        assert installs
        assert all("--no-remove" in line for line in installs)


def test_fedora_gets_the_key_as_a_file_and_exact_packages(system: FakeSystem) -> None:
    serve(system, repository.RPM_FINGERPRINT)
    (system.root / "etc/yum.repos.d").mkdir()
    done = system.run(install.installation(FEDORA, "28.2.2"))
    assert done.returncode == 0, done.stderr
    assert apt_files(system) == [
        "etc/pki/rpm-gpg/RPM-GPG-KEY-swarmrig-docker",
        "etc/yum.repos.d/swarmrig-docker.repo",
    ]
    text = (system.root / "etc/yum.repos.d/swarmrig-docker.repo").read_text()
    assert "baseurl=https://download.docker.com/linux/fedora/$releasever/$basearch/stable" in text
    assert "gpgcheck=1" in text
    assert "dnf -y install docker-ce-3:28.2.2-* docker-ce-cli-1:28.2.2-* containerd.io" in (
        system.calls("dnf")
    )
    assert "docker-ce-3:28.2.*" in install.installation(FEDORA, "28.2")


def test_a_wrong_key_is_refused_on_fedora_too(system: FakeSystem) -> None:
    serve(system, OTHER)
    (system.root / "etc/yum.repos.d").mkdir()
    done = system.run(install.installation(FEDORA, "28.2.2"))
    assert "is not Docker's" in done.stderr
    assert apt_files(system) == []


@pytest.mark.parametrize("wanted", ["distribution", "28.2.2"])
@pytest.mark.parametrize("facts", [BARE, FEDORA])
def test_every_call_of_an_installation_waits_for_locks(
    system: FakeSystem, facts: Facts, wanted: str
) -> None:
    serve(system, repository.APT_FINGERPRINT if facts is BARE else repository.RPM_FINGERPRINT)
    (system.root / "etc/yum.repos.d").mkdir()
    for name in ("apt-get", "apt-mark", "dnf", "dpkg"):
        text = LOCKED_ONCE.format(said="E: x, is another process using it?")
        system.command(name, _PRINTED + text)
    done = system.run(install.installation(facts, wanted))
    assert done.returncode == 0, done.stderr
    calls = system.calls("apt-get", "apt-mark", "dnf", "dpkg")
    calls = [call for call in calls if "--print-architecture" not in call]
    assert calls
    assert [call for call in calls if calls.count(call) < 2] == []
