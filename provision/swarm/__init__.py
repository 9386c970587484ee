"""The swarm over a lab's machines: members, convergence, leaving, nodes."""
