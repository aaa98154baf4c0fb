"""Live viewing: WebRTC (WHEP), fMP4 over WebSocket, RTSP restream, snapshots."""
