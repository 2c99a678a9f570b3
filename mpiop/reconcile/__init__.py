"""What an MPIJob means: `plan(snapshot, now)` and all that it asks. Pure, on JSON."""
