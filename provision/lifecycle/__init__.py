"""What is done to a lab as a whole: up, destroy, rebuild, checkpoints, status, lock, export."""
