"""Virtual machines through Vagrant."""
