"""One suite for both API servers: the embedded one is held against a real one."""
