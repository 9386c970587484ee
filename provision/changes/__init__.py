"""Changes to machines as plain data, and the journal of those made to existing hosts."""
