"""What scenarios are written with: steps, expectations, evidence, and the record of a run."""
