"""The none driver: a container that reaches nobody.

Source: https://docs.docker.com/engine/network/drivers/none/
"""

from __future__ import annotations

from scenarios.checks import containers
from scenarios.checks.path import End
from scenarios.kit.scenario import Scenario
from scenarios.kit.step import Step

none = Scenario(
    "none",
    exercise="-",
    atlas=True,
    title="The network none: a container by itself",
    summary="A container in the network none has a loopback interface and reaches nobody, not even "
    "its own machine. For work that has no business on a network.",
    machines=1,
    containers=("none1",),
)


@none.step(
    1,
    "Run a container in the network none",
    on="machine1",
    run="docker run -d -t --name none1 --network none {image}",
    why="The engine makes a network namespace as for every container, and puts nothing into it.",
)
def run(step: Step) -> None:
    containers.expect_running(step, "none1", "none")


@none.step(
    2,
    "It has a loopback interface and no other",
    on="machine1",
    run="docker exec none1 ip address",
    needs=[1],
)
def alone(step: Step) -> None:
    links = containers.links(_end(step))
    step.expect(
        "its only interface is lo",
        expected=["lo"],
        seen=[link["ifname"] for link in links],
        source="command",
    )


@none.step(
    3,
    "It reaches nobody",
    on="machine1",
    book="docker exec none1 ping <the first machine's address>",
    needs=[1],
    probe=True,
    why="There is no route to anywhere, so the kernel refuses to send. It can still talk to "
    "itself, which shows that the ping works.",
)
def reaches_nobody(step: Step) -> None:
    here = _end(step)
    containers.expect_answer(step, here, End("itself", "127.0.0.1", step.machine))
    containers.expect_no_answer(
        step,
        here,
        step.machine.address,
        f"its own machine {step.machine.name}",
        "Not even its own machine is reached.",
        sends=False,
    )


def _end(step: Step) -> End:
    return End("none1", "", step.context.machines["machine1"])


@none.step(4, "Remove it", on="machine1", run="docker rm -f none1", undoes=[1])
def remove(step: Step) -> None:
    containers.expect_gone(step, ("none1",))
