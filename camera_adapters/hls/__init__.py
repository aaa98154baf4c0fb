"""HLS (RFC 8216) as a client: live playlists followed, segments taken apart."""
