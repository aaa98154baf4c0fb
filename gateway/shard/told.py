"""Words that a shard tells beside the states of docs/http-api.md."""

# The state of a variant that this shard does not hold any more.
RELEASED = "released"
