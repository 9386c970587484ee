"""Whether an engine still speaks the Engine API that a plugin asks for; known before it bites.

A plugin that is too old for an engine has "client version 1.24 is too old" in its own log only;
the user sees a missing socket. So the range of versions is compared before the plugin starts.
Sources: moby pull requests 46887 (25.0: lowest 1.24), 47155 (26.0: nothing below 1.24 any more),
51186 (29.0: lowest 1.44), 52067 (29.3: lowest 1.40) and 51371 (29.0: `min-api-version`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from provision.engine import daemon_config
from provision.lab.model import PluginSpec
from provision.machine.machine import Machine
from provision.plugins import archive, facts
from provision.support.errors import MachineError, UserError
from provision.support.progress import Progress

SETTING = "min-api-version"
# The first major release of Docker Engine that reads `min-api-version` in daemon.json.
_KNOWS_SETTING = 29
# No engine of 26.0 or later speaks anything below this, whatever its settings.
_FLOOR = (1, 24)
# The last series whose engines speak the versions below 1.24, and 1.24, without a setting.
_SPEAKS_ANY, _SPEAKS_FLOOR = "24.0", "28.5"

# What plugins ask for (weaveworks/weave issue 4002; the fork's own client).
_ASKED = {
    "rajchaudhuri/net-plugin": "1.24",
    "weaveworks/net-plugin": "1.18",
    "store/weaveworks/net-plugin": "1.18",
}
# The environment variable by which a Docker client takes another version, where a plugin lets it.
OVERRIDE = "DOCKER_API_VERSION"


@dataclass(frozen=True)
class Range:
    """What an engine serves: `GET /version`'s Version, MinAPIVersion and ApiVersion."""

    engine: str
    lowest: str
    highest: str

    @property
    def major(self) -> int:
        return int(self.engine.split(".", maxsplit=1)[0])


@dataclass(frozen=True)
class Verdict:
    """What is to be done so that the engine serves `asked`; `pin` is for lab.toml's version."""

    remedy: Literal["nothing", "setting", "pin"]
    pin: str = ""


def served(machine: Machine) -> Range:
    """The range that a machine's engine serves now."""
    said: dict[str, Any] = machine.docker.version()
    # An engine that names no lowest version has none.
    return Range(said["Version"], said.get("MinAPIVersion") or "1.12", said["ApiVersion"])


def asked_by(plugin: PluginSpec, reference: str) -> str:
    """The version that a plugin asks for, "" where nothing is known of it.

    `reference` is the plugin's real one ("auto" resolved). A version that lab.toml sets counts.
    """
    repository = reference.split("@", maxsplit=1)[0]
    head, slash, tail = repository.rpartition("/")
    name = head + slash + tail.split(":", maxsplit=1)[0]
    return plugin.settings.get(OVERRIDE) or _ASKED.get(name.removeprefix("docker.io/"), "")


def adapts(plugin: PluginSpec) -> bool:
    """Whether an archive's plugin lets one set the version it speaks. Raises UserError."""
    if plugin.archive is None:
        return False
    return OVERRIDE in facts.settable(archive.read_archive(plugin.archive))


def verdict(engine: Range, asked: str) -> Verdict:
    """What an engine needs, so that a client that asks for API version `asked` is served."""
    wanted = _number(asked)
    if _number(engine.lowest) <= wanted:
        return Verdict("nothing")
    if wanted < _FLOOR:
        return Verdict("pin", _SPEAKS_ANY)
    if engine.major >= _KNOWS_SETTING:
        return Verdict("setting")
    return Verdict("pin", _SPEAKS_FLOOR)


def too_new(machine: str, engine: Range, asked: str, pin: str) -> UserError:
    """The engine cannot serve the plugin, said with the one version that can."""
    return UserError(
        f"{machine}: Docker Engine {engine.engine} serves API {engine.lowest} to {engine.highest}; "
        f"the plugin asks for {asked}.",
        f'Pin an engine that serves it: docker.version = "{pin}" in lab.toml, then inv rebuild. '
        "Or take a plugin that asks for less.",
    )


def check(machine: str, engine: Range, asked: str) -> None:
    """See that a machine's engine serves `asked`. Raises UserError that says what to do."""
    needs = verdict(engine, asked)
    if needs.remedy == "pin":
        raise too_new(machine, engine, asked, needs.pin)
    if needs.remedy == "setting":
        raise UserError(
            f"{machine}: Docker Engine {engine.engine} serves API {engine.lowest} and later; "
            f"the plugin asks for {asked}.",
            f"Put an empty [weave] table into lab.toml and run inv up: it sets {SETTING}.",
        )


def needed(machine: Machine, plugin: PluginSpec) -> str:
    """The version that the engine must be set to serve, "" where none; it changes nothing.

    None is needed for an archive whose plugin can be set to speak another version.

    Raises UserError where no setting helps.
    """
    asked = asked_by(plugin, facts.reference_on(machine, plugin))
    if not asked or adapts(plugin):
        return ""
    engine = served(machine)
    needs = verdict(engine, asked)
    if needs.remedy == "pin":
        raise too_new(machine.name, engine, asked, needs.pin)
    return asked if needs.remedy == "setting" else ""


def prepare(machine: Machine, plugin: PluginSpec, progress: Progress) -> None:
    """While a lab for Weave comes up: have its engine serve what the plugin asks for, verified.

    Changes nothing on an engine that does already, nor for an archive whose plugin can be set to
    speak another version. Raises UserError where no setting helps.
    """
    asked = needed(machine, plugin)
    if not asked:
        return
    daemon_config.ensure(machine, {SETTING: asked}, progress)
    now = served(machine)
    if verdict(now, asked).remedy != "nothing":
        raise MachineError(
            f"{machine.name}: {SETTING} is set, and Docker Engine {now.engine} still serves "
            f"API {now.lowest} and later only; the plugin asks for {asked}.",
            f'Pin an engine that serves it: docker.version = "{_SPEAKS_FLOOR}" in lab.toml.',
        )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
