"""Flash video: tags out of bytes, pictures and sound out of tags. RTMP carries the same bodies."""
