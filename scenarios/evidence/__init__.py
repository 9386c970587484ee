"""Evidence that tasks reach each other: pings, captures, and how packets are encapsulated."""
