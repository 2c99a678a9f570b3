"""The children that should exist, a module each: pure functions of the job."""
