"""VirtualBox as one of Vagrant's providers: its program asked directly."""
