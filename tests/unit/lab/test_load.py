"""lab.toml: what is taken, and how each mistake is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provision.lab import load as loading
from provision.lab import model
from provision.lab.schema import schema
from provision.support.errors import DefinitionError, UserError

CLONE = Path(__file__).parents[3]


def load(tmp_path: Path, text: str) -> model.Lab:
    file = tmp_path / "lab.toml"
    file.write_text(text)
    return loading.load(file)


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_lab_that_ships_has_a_manager_and_a_worker() -> None:
    lab = loading.load(CLONE / "lab.toml")
    assert [(m.name, m.role) for m in lab.machines] == [
        ("machine1", "manager"),
        ("machine2", "worker"),
    ]
    assert lab.image == "auto"


def test_an_empty_file_is_the_lab_of_the_book(tmp_path: Path) -> None:
    lab = load(tmp_path, "")
    assert [m.address for m in lab.machines] == ["192.168.56.11", "192.168.56.12"]


def test_ten_machines_with_three_managers(tmp_path: Path) -> None:
    lab = load(tmp_path, "[machines]\ncount = 10\nmanagers = 3\n")
    assert len(lab.machines) == 10
    assert [m.name for m in lab.managers] == ["machine1", "machine2", "machine3"]
    assert len({m.address for m in lab.machines}) == 10


TWO = '[[machines]]\nname = "a"\n[[machines]]\nname = "b"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = [", "not valid TOML"),
        ('colour = "red"', "colour: unknown key"),
        ('provder = "auto"', "did you mean 'provider'"),
        ('provider = "qemu"', 'provider: given "qemu"; allowed: "auto"'),
        ('name = "Bad Name"', 'name: given "Bad Name"; allowed:'),
        ("[machines]\ncount = 1", "machines.count: given 1; allowed:"),
        ('[[machines]]\nname = "a"\n[[machines]]\nname = "a"', "already another machine's name"),
        ('[[machines]]\nname = "a"\n[[machines]]', "machines[2].name: missing"),
        (f'{TWO}address = "10.1.1.5"', 'machines[2].address: given "10.1.1.5"; allowed:'),
        (f'{TWO}memory = "lots"', 'machines[2].memory: given "lots"; allowed:'),
        (f'{TWO}user = "me"', 'machines[2].user: only with provider = "hosts"'),
        (f'provider = "hosts"\n{TWO}', "machines[1].address: missing"),
        ('[network]\nsubnet = "10.0.0.1/24"', "network.subnet: given"),
        ('[docker]\nversion = "latest; rm"', "docker.version: given"),
        ('[docker]\nsettings = {hosts = ["tcp://0.0.0.0:2375"]}', "settings.hosts: cannot be set"),
        ("[docker.settings]\nlive-restore = true", "live-restore: cannot be set: Docker refuses"),
        ("[docker.settings]\n'min-api-version' = '1.24'", "min-api-version: cannot be set"),
        ("[docker.settings]\ndata-root = '/srv'", "docker.settings.data-root: cannot be set"),
        ("[docker.settings]\nmtu = nan", "docker.settings.mtu: allowed: texts, finite numbers"),
        ("[docker.settings.log-opts]\na = [2026-01-01]", "log-opts.a: allowed: texts, finite"),
        ('[docker.settings]\n"a\\nb" = 1', 'docker.settings."a\\nb": allowed: an option'),
        ('docker.settings = "debug"', 'docker.settings: given "debug"; allowed: a table'),
        ("[docker.settings.proxies]\nhttp-proxy = 'x'", "its place is the table [proxy]"),
        ("[proxy]", "proxy: neither http nor https is given"),
        ("[proxy]\nhttps = 'proxy:3128'", "proxy.https: allowed: the URL of a proxy"),
        ("[proxy]\nhttp = 'http://p:70000'", "proxy.http: allowed: the URL of a proxy"),
        ("[proxy]\nhttp = 'http://p'\nno_proxy = 'a;b'", "proxy.no_proxy: allowed: names"),
        ("[proxy]\nhttp = 3128", "proxy.http: given a value that is not shown"),
        ("[swarm]\naddress_pool = []", "swarm.address_pool: given []; allowed: a list of IPv4"),
        ("[swarm]\naddress_pool = ['10.20.0.1/16']", "swarm.address_pool: given '10.20.0.1/16'"),
        ("[swarm]\naddress_pool = ['10.20.0.0/28']", "no room for a network of /24"),
        ("[swarm]\naddress_pool = ['192.168.0.0/16']", "overlaps 192.168.56.0/24: network.subnet"),
        ("[swarm]\naddress_pool = ['172.16.0.0/12']", "overlaps 172.17.0.0/16: Docker's own"),
        ("[swarm]\naddress_pool = ['10.8.0.0/15', '10.9.0.0/16']", "overlap each other"),
        ("[swarm]\nsubnet_size = 30", "swarm.subnet_size: given 30; allowed: the prefix length"),
        ("[swarm]\ndata_path_port = 80", "swarm.data_path_port: given 80; allowed: the UDP port"),
        ("[swarm]\ndata_path_port = 7946", "swarm.data_path_port: 7946 is the port by which"),
        (f"{TWO}disk = 2", "machines[2].disk: given 2; allowed: the size of its disk"),
        (f"provider = 'docker'\n{TWO}disk = 20", "machines[2].disk: not with provider"),
        (f"provider = 'docker'\n{TWO}disk = 20", "a container has no disk of its own"),
        (f"provider = 'docker'\n{TWO}box = 'a/b'", "machines[2].box: not with provider"),
        (f"{TWO}forward = [{{guest = 80}}]", "machines[2].forward[1].host: missing; allowed: a T"),
        (f"{TWO}forward = [{{guest = 0, host = 1}}]", "forward[1].guest: given 0; allowed: a TCP"),
        (f"{TWO}forward = [{{guest = 1, host = 1, address = 'x'}}]", "forward[1].address: given"),
        (
            f"{TWO}forward = [{{guest = 80, host = 8080}}, "
            "{guest = 81, host = 8080, address = '0.0.0.0'}]",
            "machines[2].forward[2].host: 8080 is already taken by",
        ),
        ("[provider_settings.qemu]\na = 1", 'provider_settings."qemu": allowed: libvirt, virt'),
        ("[provider_settings.libvirt]\nmemory = 1", "its place is a machine's memory"),
        ("[provider_settings.docker]\nimage = 'x'", "docker.image: Swarmrig sets it itself"),
        ("[provider_settings.libvirt]\n'a=1;b' = 1", 'libvirt."a=1;b": allowed: the name of a'),
        ("[provider_settings.libvirt]\na = [1]", "provider_settings.libvirt.a: allowed: a text"),
        ("[provider_settings.libvirt]\na = 1.5", "provider_settings.libvirt.a: allowed: a text"),
        ('[provider_settings.libvirt]\na = "x\\ny"', "libvirt.a: allowed: a text without control"),
        (
            "[provider_settings]\ndocker = 1",
            "provider_settings.docker: given 1; allowed: a table f",
        ),
        (
            f"{TWO}provider_settings = {{ libvirt = {{ cpus = 4 }} }}",
            "machines[2].provider_settings.libvirt.cpus: its place is a machine's cpus",
        ),
        ("provider = 'libvirt'\n[hyperv]\nswitch = 'x'", "hyperv.switch: not with provider"),
        ("provision = 'no.sh'", "provision: there is no file"),
        ("provision = '.'", "provision: "),
        (f"{TWO}provision = 'no.sh'", "machines[2].provision: there is no file"),
        ('[images]\nscenario = "a b"', "images.scenario: given"),
        ('[images]\narchives = ["no.tar"]', "images.archives: there is no file"),
        ('box = "a\\nb"', "box: given"),
        ('suite = "sid"', 'suite: given "sid"; allowed: "bookworm", "trixie" or "forky"'),
        ('suite = "trixie"\nbox = "a/b"', "suite: not with a box: a/b has its own"),
        ('suite = "trixie"\nprovider = "hosts"\n', 'suite: not with provider = "hosts"'),
        ('weave = "yes"', "weave: given"),
        ('[weave]\nplugin = "a b"', 'weave.plugin: given "a b"; allowed: a plugin'),
        ('[weave]\nplugin_archive = "no.tar"', "weave.plugin_archive: there is no file"),
        ("[weave.settings]\nIPALLOC_RANGE = 10", "weave.settings.IPALLOC_RANGE: given 10"),
        ('[weave.settings]\n"a b" = "x"', "weave.settings.a b"),
        ('[weave.settings]\nWEAVE_PASSWORD = "x"', "its place is weave.password"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_what_is_allowed(
    tmp_path: Path, text: str, said: str
) -> None:
    told = complaint(tmp_path, text)
    assert said in told
    assert all(line.startswith("lab.toml: ") for line in told.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "[weave]\npassword = 190571",
        '[weave]\npassword = "190571\\n"',
        "[weave.settings]\nWEAVE_PASSWORD = 190571",
        '[weave.settings]\nWEAVE_PASSWORD = "190571"',
        '[weave]\npasswort = "190571"',
        """[proxy]\nhttp = "http://u:190571'@p:3128" """,
        '[proxy]\nhttps = "http://u:1905 71@p"',
        '[proxy]\npassword = "190571"',
    ],
)
def test_a_mistake_about_the_password_does_not_tell_it(tmp_path: Path, text: str) -> None:
    told = complaint(tmp_path, text)
    assert "pass" in told.lower()
    assert "190571" not in told
    assert "1905 71" not in told


def test_a_lab_for_weave_has_all_that_its_plugin_needs(tmp_path: Path) -> None:
    (tmp_path / "weave.tar.gz").write_bytes(b"")
    text = "[weave]\nplugin_archive = 'weave.tar.gz'\npassword = 'sesame'\nsettings = {A = 'b'}\n"
    weave = load(tmp_path, text).weave
    assert weave is not None
    assert weave.reference == "auto"
    assert weave.archive == tmp_path / "weave.tar.gz"
    assert weave.all_settings == {"A": "b", "WEAVE_PASSWORD": "sesame"}
    assert "sesame" not in repr(weave)
    assert load(tmp_path, "").weave is None
    assert load(tmp_path, "[weave]").weave is not None


def test_every_mistake_has_a_line_of_its_own(tmp_path: Path) -> None:
    told = complaint(tmp_path, 'name = "X"\nprovider = "y"\ncolour = 1\n')
    assert len(told.splitlines()) == 3


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="there is no such file"):
        loading.load(tmp_path / "lab.toml")


def test_an_unknown_machine_is_told_with_the_names_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no machine 'machin1'") as caught:
        load(tmp_path, "").machine("machin1")
    assert "machine1" in caught.value.advice


def test_the_published_schema_is_in_step() -> None:
    kept = json.loads((CLONE / "docs" / "lab.schema.json").read_text())
    assert kept == schema()


def test_every_key_is_documented() -> None:
    text = (CLONE / "docs" / "definition.md").read_text()
    whole = schema()
    tables = [whole, *whole["$defs"].values()]
    for table in tables:
        for key in table.get("properties", {}):
            assert f"`{key}`" in text, key
