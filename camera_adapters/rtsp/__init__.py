"""RTSP 1.0 (RFC 2326): messages, authentication, client and server."""
