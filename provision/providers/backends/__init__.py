"""Vagrant's providers and their registry; libvirt and VirtualBox are packages of their own."""
