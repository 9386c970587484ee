"""Containers as one of Vagrant's providers (its docker provider)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from provision.lab.model import Lab
from provision.providers import machine_key
from provision.providers.backend import Backend, OwnImage
from provision.providers.base import MachineState
from provision.providers.boxes.recipe import SUITE
from provision.providers.containers import belongings, engine, image, kernel, recipe
from provision.support.errors import MachineError, UserError
from provision.support.files import write_atomic

# Beside the Vagrantfile, which names it so.
ENVIRONMENT = "machine.env"
ROOT_WARNING = (
    "the machines are containers: they share one kernel, and root in a machine is as good as root "
    "on the host of the Docker engine"
)


class Docker(Backend):
    name = "docker"
    lists_machines = True
    uses_boxes = False
    shares_kernel = True
    no_checkpoints = (
        "Provider docker keeps no checkpoints: a container's processes cannot be saved. "
        "Recreating its machines takes seconds (inv rebuild)."
    )

    # -- this host ----------------------------------------------------------------------------

    def present(self) -> bool:
        return engine.installed()

    def missing(self) -> str:
        return engine.missing()

    def version_commands(self) -> Mapping[str, tuple[str, ...]]:
        return {self.name: ("docker", "--version")}

    def own_image(self, lab: Lab, log: Callable[[str], None]) -> OwnImage:
        if lab.box != "auto":
            raise UserError(
                f'{lab.file.name}: box: provider "docker" makes its machines of an image that is '
                f"built here, not of a box ({lab.box}).",
                'Remove box, or take box = "auto".',
            )
        suite = lab.suite or SUITE
        made = image.ready(suite, log)
        if lacking := kernel.lacks(recipe.reference(suite)):
            raise UserError(
                f"The kernel under the Docker engine has no {', no '.join(lacking)}.",
                'Overlay networks need it. Take virtual machines: provider = "libvirt", say.',
            )
        return OwnImage(made.name, made.version, made.why, (ROOT_WARNING,))

    def image_digest(self, name: str, version: str) -> str:
        found = engine.listed("image", "inspect", f"{name}:{version}")
        return str(found[0]["Id"]) if found else ""

    # -- before machines are made -------------------------------------------------------------

    def conflict(self, lab: Lab) -> UserError | None:
        return belongings.conflict(lab)

    def own_interfaces(self, lab: Lab) -> set[str]:
        return {belongings.bridge(lab)} - {""}

    def resume(self, lab: Lab) -> None:
        belongings.resume(lab)

    def prepare(self, lab: Lab) -> None:
        """The key first: a container whose machine nobody can log in to would be of no use."""
        _keep_key(lab.state)
        belongings.ensure_network(lab)
        belongings.resize(lab)

    def remove_unfinished(self, lab: Lab, machines: set[str]) -> list[str]:
        return belongings.remove_machines(lab, machines)

    # -- machines that were made --------------------------------------------------------------

    def states(self, lab: Lab, known: set[str]) -> dict[str, MachineState]:
        return belongings.states(lab)

    def has_machines(self, state: Path) -> bool:
        try:
            return bool(belongings.containers(state.name, state))
        except (MachineError, OSError):
            return False  # there is no engine on this host any more

    def ssh_config(self, lab: Lab, own_key: bool) -> str:
        """Starting Vagrant to be told the published ports takes as long as starting a machine."""
        return machine_key.ssh_config(lab.state, belongings.ssh_ports(lab), recipe.USER)

    def console(self, lab: Lab, machine: str) -> str:
        return f"docker logs {belongings.container_name(lab, machine)}"

    def diagnostics(self, lab: Lab) -> str:
        try:
            return belongings.described(lab)
        except (MachineError, OSError) as error:
            return f"{error}\n"

    # -- destroy ------------------------------------------------------------------------------

    def before_destroy(self, lab: Lab) -> list[str]:
        """Their processes end at once: Vagrant would wait for each machine's systemd."""
        return belongings.remove_machines(lab)

    def purge(self, lab: Lab) -> list[str]:
        return belongings.purge(lab)

    def leftovers(self, lab: Lab, known: set[str]) -> list[str]:
        return belongings.leftovers(lab)

    def stays(self, lab: Lab, box: str, version: str) -> list[str]:
        return [f"image {box}:{version} (docker image rm {box}:{version})"] if version else []

    def purge_orphans(self, lab: Lab) -> list[str]:
        return [] if self.missing() else self.purge(lab)


def _keep_key(state: Path) -> None:
    """The lab's own key, and its public half for the machines' environment; made once."""
    write_atomic(state / ENVIRONMENT, f"{recipe.KEY_VARIABLE}={machine_key.keep(state)}\n")
