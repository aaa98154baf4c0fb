"""WebRTC out: pictures packetised once, sent to many browsers over one UDP port.

ICE-lite (RFC 8445), DTLS-SRTP (RFC 5764), WHEP's offers and answers; no socket and no timer per peer.
"""
