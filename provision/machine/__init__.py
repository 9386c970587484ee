"""One machine: commands over SSH, and the Docker Engine API through the same connection."""
