"""One module a knob of runPolicy, and one for what a lost worker means."""
