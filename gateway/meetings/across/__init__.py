"""A meeting whose people sit at several shards: who is where, and their media, between shards."""
