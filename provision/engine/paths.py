"""Where an installation of Docker writes on a machine, its packages' own files aside."""

from __future__ import annotations

# Docker's own repository as Swarmrig enters it. A file of these names is always Swarmrig's.
APT_KEYS = "/etc/apt/keyrings"
APT_KEY = f"{APT_KEYS}/swarmrig-docker.asc"
APT_LIST = "/etc/apt/sources.list.d/swarmrig-docker.list"
APT_READ = "/var/lib/apt/lists/download.docker.com_*"
RPM_KEY = "/etc/pki/rpm-gpg/RPM-GPG-KEY-swarmrig-docker"
RPM_REPO = "/etc/yum.repos.d/swarmrig-docker.repo"
REPOSITORY = (APT_KEY, APT_LIST, RPM_KEY, RPM_REPO)
# Fedora's options of the engine, and what rpm keeps of them once they were edited.
OPTIONS = "/etc/sysconfig/docker"
SAVED_OPTIONS = f"{OPTIONS}.rpmsave"

# The lab's proxy, as variables of the environment.
PROXY = "/etc/swarmrig-proxy.env"

GRAPH = "/var/lib/docker"
SETTINGS = "/etc/docker"
FOLDERS = (GRAPH, "/var/lib/containerd", SETTINGS)
