"""Vagrant boxes: choosing, the box store, building from Debian's packages."""
