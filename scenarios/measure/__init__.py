"""Network drivers measured against each other: throughput, round trips, CPU time."""
