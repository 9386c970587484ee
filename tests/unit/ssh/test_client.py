"""What the user's own ssh is called with, for folders of any name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provision.providers.vagrant import output
from provision.ssh import client_config
from provision.ssh.endpoint import Endpoint

FOLDERS = ["a b", 'Jörg\'s "100%" Übung', "%h %d", "back\\slash", "~ $HOME #{1} [a] *"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_in_folders_of_any_name_are_found_by_ssh(tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    key, known = place / "key", place / "known_hosts"
    end = Endpoint("h", 2201, "u", (key,), known, True, alias="machine1")
    words = client_config.client_of(end)
    done = subprocess.run(["ssh", "-G", *words], check=True, capture_output=True, encoding="utf-8")
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert said["userknownhostsfile"] == str(known)
    assert said["hostkeyalias"] == "machine1"
    # Tokens are replaced only when it connects.
    assert said["identityfile"].replace("%%", "%") == str(key)


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_key_is_read_from_what_vagrant_prints_of_any_folder(folder: str) -> None:
    path = f"/home/{folder}/private_key"
    shown = f'"{path}"' if " " in path else path
    text = "".join(
        f"Host machine{n}\n  HostName 127.0.0.1\n\n  IdentityFile {shown}\n" for n in (1, 2)
    )
    assert output.identity_files(text) == {"machine1": [path], "machine2": [path]}
