"""The gateway itself: people and areas, processes, HTTP, live viewing, and the command line."""
