"""The command line: it wires the other layers together and talks to people."""
