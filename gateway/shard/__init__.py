"""The media shard: cameras end to end, from the wire to the spool and to whoever watches."""
