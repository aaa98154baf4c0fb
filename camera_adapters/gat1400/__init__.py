"""GA/T 1400: checkpoints and cameras tell what passed them (public security video image information
application system). Part 3 names the fields, part 4 the interfaces. Cores without sockets.
"""
