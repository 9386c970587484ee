"""Docker on a machine: installation, daemon settings, images."""
