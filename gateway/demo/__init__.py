"""The demo: a real clip, replayed as RTSP cameras. Tests and benchmarks replay theirs with it."""
