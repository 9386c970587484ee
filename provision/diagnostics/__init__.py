"""What this host can run, versions of its tools, and logs for a bug report."""
