"""Python imports this at its start, where its folder is in PYTHONPATH: the processor is arm64's."""

import platform

platform.machine = lambda: "aarch64"
