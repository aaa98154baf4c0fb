"""The commands of the command line, one module each; gateway/cli.py says how they are called."""
