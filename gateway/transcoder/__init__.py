"""The bounded pool that decodes and encodes; nothing else in the gateway does."""
