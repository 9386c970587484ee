"""From a lab's definition to a ready swarm."""
