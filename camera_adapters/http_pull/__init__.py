"""Media pulled by HTTP: FLV, HLS, multipart pictures and transport streams, told by content."""
