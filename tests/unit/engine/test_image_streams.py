"""Images reach an engine by a stream, and what is said in that stream counts."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from provision.engine import images
from provision.machine.machine import Machine, Result
from provision.support.errors import MachineError

ID = "sha256:1"
FULL = "write /var/lib/docker/tmp/x: no space left on device"


def result(command: str, code: int, stderr: str = "") -> Result:
    return Result("machine1", command, "", stderr, code, "", 0.0)


class Host:
    """A machine whose engine has one image, and says so much while it pulls."""

    name = "machine1"

    def __init__(self, said: tuple[dict[str, Any], ...] = (), load: Result | None = None) -> None:
        self.said, self.loading = said, load or result("", 0)
        self.fed: list[tuple[str, Path, bool]] = []
        self.tagged: list[tuple[str, str]] = []
        self.asked: list[str] = []
        image = SimpleNamespace(id=ID, tag=lambda name, tag: self.tagged.append((name, tag)))

        def get(reference: str) -> Any:
            self.asked.append(reference)
            return image

        self.docker = SimpleNamespace(
            images=SimpleNamespace(get=get), api=self, info=lambda: {"DriverStatus": []}
        )

    def run(self, command: str, timeout: float = 0, sudo: bool = False) -> Result:
        return result(command, 1)

    def feed(self, command: str, source: Path, timeout: float = 0, sudo: bool = False) -> Result:
        self.fed.append((command, source, sudo))
        return self.loading

    def pull(self, name: str, tag: str, stream: bool, decode: bool) -> Any:
        assert stream
        assert decode
        return iter(self.said)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    file = tmp_path / "a.tar"
    manifest = json.dumps([{"Config": "1.json", "RepoTags": ["x/y:1"]}]).encode()
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest))
    return file


def test_an_archive_is_streamed_and_lies_nowhere_on_the_host(archive: Path) -> None:
    host = Host()
    images.load(cast(Machine, host), archive, images.archive_tags(archive))
    assert host.fed == [("docker load -q", archive, True)]


def test_an_archive_that_does_not_load_is_reported_in_the_engines_words(archive: Path) -> None:
    host = Host(load=result("docker load -q", 1, FULL))
    with pytest.raises(MachineError, match="no space left on device"):
        images.load(cast(Machine, host), archive, images.archive_tags(archive))


def test_an_error_inside_a_pulls_stream_is_reported() -> None:
    said = ({"status": "Pulling"}, {"errorDetail": {"message": FULL}, "error": FULL})
    with pytest.raises(MachineError, match="no space left on device") as caught:
        images.fetch(cast(Machine, Host(said)), "x/y:1")
    assert "x/y:1" in str(caught.value)


def test_an_image_pulled_by_its_digest_gets_its_tag() -> None:
    host = Host(({"status": "Done"},))
    images.fetch(cast(Machine, host), "reg:5000/x/y:1", "sha256:abc")
    assert host.asked == ["reg:5000/x/y@sha256:abc"]
    assert host.tagged == [("reg:5000/x/y", "1")]
