"""Big screens: what hangs on the wall of a command centre, and how it is arranged."""
