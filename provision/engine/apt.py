"""How apt-get is run on a machine."""

# dpkg waits for its lock: fresh cloud images update themselves in the background.
APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
