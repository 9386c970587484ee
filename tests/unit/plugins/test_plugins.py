"""Plugins: what they ask for, what an archive may hold, and why one does not start."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any, Literal

import pytest

from provision.plugins import diagnose, facts, install, privileges
from provision.plugins.archive import read_archive
from provision.plugins.privileges import EXERCISE, Privilege
from provision.support.errors import UserError

CONFIG: dict[str, Any] = {
    "interface": {"socket": "weave.sock", "types": ["docker.networkdriver/1.0"]},
    "linux": {"capabilities": ["CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_MODULE"]},
    "mounts": [
        {"source": "/proc/", "destination": "/host/proc/"},
        {"source": "/var/run/docker.sock", "destination": "/var/run/docker.sock"},
        {"source": "/var/lib/", "destination": "/host/var/lib/"},
        {"source": "/etc/", "destination": "/host/etc/"},
        {"source": "/lib/modules/", "destination": "/lib/modules/"},
        {"destination": "/tmpfs", "type": "tmpfs"},
    ],
    "env": [
        {"name": "WEAVE_PASSWORD", "settable": ["value"], "value": ""},
        {"name": "FIXED", "settable": None, "value": "1"},
    ],
    "network": {"type": "host"},
}


def with_more(**more: Any) -> dict[str, Any]:
    return {**CONFIG, **more}


# -- privileges ---------------------------------------------------------------------------------


def test_the_exercises_plugin_asks_for_what_the_exercise_lists() -> None:
    assert frozenset(privileges.asked_in(CONFIG)) == EXERCISE
    assert privileges.beyond(privileges.asked_in(CONFIG), EXERCISE, frozenset()) == []


def test_the_engines_own_spelling_of_a_config_is_read_too() -> None:
    spelled = {
        "Network": {"Type": "host"},
        "Mounts": [{"Source": "/proc/"}],
        "Linux": {"Capabilities": ["CAP_NET_ADMIN"], "AllowAllDevices": False, "Devices": []},
        "Interface": {"Socket": "weave.sock"},
        "IpcHost": False,
    }
    assert {str(one) for one in privileges.asked_in(spelled)} == {
        "network:host",
        "mount:/proc/",
        "capabilities:CAP_NET_ADMIN",
    }
    assert facts.socket_of(spelled) == facts.socket_of(CONFIG) == "weave.sock"


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"linux": {"capabilities": ["CAP_SYS_RESOURCE"]}}, "capabilities:CAP_SYS_RESOURCE"),
        ({"linux": {"allowAllDevices": True}}, "allow-all-devices:true"),
        ({"linux": {"devices": [{"path": "/dev/kvm"}]}}, "device:/dev/kvm"),
        ({"mounts": [{"source": "/"}]}, "mount:/"),
        ({"pidhost": True}, "host pid namespace:true"),
        ({"ipchost": True}, "host ipc namespace:true"),
    ],
)
def test_more_than_the_exercise_lists_is_named_and_can_be_granted_by_that_name(
    more: dict[str, Any], name: str
) -> None:
    asked = privileges.asked_in(with_more(**more))
    found = privileges.beyond(asked, EXERCISE, frozenset())
    assert [str(one) for one in found] == [name]
    refusal = privileges.refuse("p", found)
    assert refusal.exit_code == 2
    assert name in str(refusal)
    assert f'--grant "{name}"' in refusal.advice
    assert privileges.beyond(asked, EXERCISE, privileges.granted([name])) == []
    assert privileges.beyond(asked, EXERCISE, privileges.granted(["mount:/elsewhere"])) == found


def test_grants_are_repeated_or_listed_with_commas() -> None:
    listed = {Privilege("mount", "/dev/"), Privilege("capabilities", "CAP_SYS_RESOURCE")}
    assert privileges.granted(["mount:/dev/,capabilities:CAP_SYS_RESOURCE"]) == listed
    assert privileges.granted(["mount:/dev/", " capabilities:CAP_SYS_RESOURCE "]) == listed


@pytest.mark.parametrize("text", ["CAP_SYS_RESOURCE", "mount:", ":x"])
def test_a_grant_that_names_nothing_is_told_with_an_example(text: str) -> None:
    with pytest.raises(UserError) as caught:
        privileges.granted([text])
    assert "capabilities:CAP_SYS_RESOURCE" in caught.value.advice


def test_privileges_are_shown_as_in_the_exercise() -> None:
    shown = privileges.as_shown("p:1", privileges.asked_in(CONFIG)).splitlines()
    assert shown[0] == 'Plugin "p:1" is requesting the following privileges:'
    assert " - network: [host]" in shown
    assert " - mount: [/var/run/docker.sock]" in shown
    assert " - capabilities: [CAP_SYS_MODULE]" in shown


def test_only_what_the_plugin_lets_one_set_is_settable() -> None:
    assert facts.settable(CONFIG) == {"WEAVE_PASSWORD"}


def test_a_password_is_left_out_of_what_is_kept() -> None:
    kept = install.without_secrets(
        {"Settings": {"Env": ["WEAVE_PASSWORD=sesame", "A=b", "WEAVE_PASSWORD="]}}
    )
    assert kept == {"Settings": {"Env": ["WEAVE_PASSWORD=***", "A=b", "WEAVE_PASSWORD="]}}


# -- archives -----------------------------------------------------------------------------------


def member(name: str, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info


def archive(
    folder: Path,
    *members: tarfile.TarInfo,
    config: bytes | None = None,
    mode: Literal["w", "w:gz"] = "w:gz",
) -> Path:
    file = folder / "plugin.tar.gz"
    with tarfile.open(file, mode) as tar:
        data = json.dumps(CONFIG).encode() if config is None else config
        if data:
            info = tarfile.TarInfo("./config.json")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for one in members:
            tar.addfile(one)
    return file


ROOT = member("rootfs", type=tarfile.DIRTYPE)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_gives_its_config(tmp_path: Path, mode: Literal["w", "w:gz"]) -> None:
    plain = (
        member("rootfs/dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("rootfs/bin/sh", type=tarfile.SYMTYPE, linkname="/bin/busybox"),
        member("rootfs/bin/ls", type=tarfile.LNKTYPE, linkname="rootfs/bin/busybox"),
    )
    assert read_archive(archive(tmp_path, ROOT, *plain, mode=mode)) == CONFIG


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ([member("/etc/passwd")], "outside of the folder"),
        ([ROOT, member("rootfs/../../etc/passwd")], "outside of the folder"),
        (
            [
                ROOT,
                member("rootfs/x", type=tarfile.SYMTYPE, linkname="/etc"),
                member("rootfs/x/passwd"),
            ],
            "through a symbolic link",
        ),
        (
            [ROOT, member("rootfs/x", type=tarfile.LNKTYPE, linkname="../etc/shadow")],
            "a link to something outside",
        ),
        (
            [ROOT, member("rootfs/x", type=tarfile.LNKTYPE, linkname="/etc/shadow")],
            "a link to something outside",
        ),
        ([ROOT, member("rootfs/sda", type=tarfile.BLKTYPE)], "is a device"),
        ([ROOT, member("rootfs/m", type=tarfile.CHRTYPE, devmajor=1, devminor=1)], "is a device"),
        ([ROOT, member("other/file")], "neither config.json nor in rootfs/"),
        ([], "it has no rootfs/"),
    ],
)
def test_an_archive_that_could_land_elsewhere_is_refused(
    tmp_path: Path, members: list[tarfile.TarInfo], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        read_archive(archive(tmp_path, *members))
    assert "plugin.tar.gz" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("config", "said"),
    [(b"", "no config.json"), (b"{", "not valid JSON"), (b"[]", "not a JSON object")],
)
def test_an_archive_without_a_good_config_is_refused(
    tmp_path: Path, config: bytes, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read_archive(archive(tmp_path, ROOT, config=config))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"no tar", archive(tmp_path, ROOT).read_bytes()[:60]):
        file = tmp_path / "x"
        file.write_bytes(content)
        with pytest.raises(UserError, match="is not a plugin's archive"):
            read_archive(file)


@pytest.mark.skipif(
    not os.environ.get("SWARMRIG_WEAVE_ARCHIVE"),
    reason="set SWARMRIG_WEAVE_ARCHIVE to a tar.gz of the Weave plugin's config.json and rootfs/",
)
def test_the_real_plugin_is_taken_and_asks_for_no_more_than_the_exercise() -> None:
    config = read_archive(Path(os.environ["SWARMRIG_WEAVE_ARCHIVE"]))
    assert frozenset(privileges.asked_in(config)) == EXERCISE
    assert facts.socket_of(config) == "weave.sock"


# -- why it does not start ----------------------------------------------------------------------


def journal(*messages: str) -> str:
    return "\n".join(
        f'time="2026-11-24T20:26:50Z" level=error msg="{text}" plugin=87fc' for text in messages
    )


NO_SOCKET = (
    "Error response from daemon: dial unix /run/docker/plugins/87fc/weave.sock: connect: "
    "no such file or directory"
)
STAMP = "2026/11/24 20:26:50.167879 "


@pytest.mark.parametrize(
    ("line", "cause", "advice"),
    [
        (
            "FATA: " + STAMP + "creating dummy interface: operation not supported",
            "kernel lacks",
            "kernel has these modules",
        ),
        (
            "FATA: " + STAMP + 'Existing bridge type \\"bridged_fastdp\\" is different than '
            'requested \\"bridge\\"',
            "left its bridge behind",
            "inv rebuild",
        ),
        (
            "Error response from daemon: client version 1.18 is too old. Minimum supported API "
            "version is 1.24, please upgrade your client",
            "older Engine API",
            "docker.version",
        ),
        (
            "Network 10.32.0.0/12 overlaps with existing route 10.40.0.0/24 on host",
            "in use on the machine",
            "IPALLOC_RANGE",
        ),
        ("listen tcp4 :6783: bind: address already in use", "ports", "other Weave"),
    ],
)
def test_a_known_cause_is_told_with_its_line_and_what_to_do(
    line: str, cause: str, advice: str
) -> None:
    log = diagnose.messages(journal("Starting launch.sh", line, "the end"))
    told = diagnose.explain(NO_SOCKET, log, ("dummy",))
    assert cause in told.cause
    assert advice in told.advice
    assert not told.late
    assert STAMP not in told.report()
    assert len(told.report().splitlines()) == 1
    assert ("not to be loaded here: dummy" in told.cause) == ("kernel" in cause)


def test_the_first_cause_counts_though_later_starts_say_other_things() -> None:
    log = diagnose.messages(
        journal(
            "FATA: " + STAMP + "creating dummy interface: operation not supported",
            "FATA: " + STAMP + 'Existing bridge type \\"bridge\\" is different than requested',
        )
    )
    assert "kernel lacks" in diagnose.explain(NO_SOCKET, log).cause


def test_an_unknown_end_is_told_in_the_plugins_words() -> None:
    log = diagnose.messages(journal("INFO: " + STAMP + "hello", "FATA: " + STAMP + "no luck"))
    told = diagnose.explain(NO_SOCKET, log)
    assert "no luck" in told.report()
    assert not told.late


def test_a_plugin_that_came_up_too_late_may_be_started_again() -> None:
    log = diagnose.messages(
        journal("INFO: " + STAMP + "Listening on /run/docker/plugins/weave.sock for global scope")
    )
    assert diagnose.explain(NO_SOCKET, log).late
    assert diagnose.explain(NO_SOCKET, []).late is False
    assert "nothing" in diagnose.explain(NO_SOCKET, []).report()


def test_what_the_engine_itself_says_counts_where_the_plugin_never_ran() -> None:
    told = diagnose.explain("failed to create shim task: exec: /nothing: no such file", [])
    assert "the engine could not start it: failed to create shim task" in told.report()
    assert not told.late
    mounting = 'error mounting "/lib/modules/" to rootfs: stat /lib/modules/: no such file'
    assert "no folder /lib/modules" in diagnose.explain(mounting, []).cause


def test_a_secret_in_the_plugins_log_is_not_told() -> None:
    assert diagnose.messages(journal("password sesame"), ("sesame",)) == ["password ***"]
