"""Vagrant's providers, and the registry of all of them; libvirt has a package of its own."""
