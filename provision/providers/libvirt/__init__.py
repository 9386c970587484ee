"""libvirt, asked directly: its lists, networks, snapshots, and whether KVM works."""
