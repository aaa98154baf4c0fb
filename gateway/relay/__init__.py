"""Live pictures from the shard that owns a camera to the shards that show it: one copy for each."""
