"""WebRTC out: pictures packetised once, sent to many browsers over one UDP port.

ICE-lite (RFC 8445), DTLS-SRTP (RFC 5764), offers and answers; no socket, task or timer per peer.
"""
