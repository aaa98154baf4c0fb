"""Recording meetings: the program and the separate tracks, undecoded, into the recorder."""
