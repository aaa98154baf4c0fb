"""Telephones and SIP endpoints in meetings: they dial in, they are dialled, they speak and hear.

The signalling process holds the conversation (SIP, :mod:`.exchange`), a worker of its own the sound
(G.711 in RTP to and from Opus, :mod:`.worker`), the meeting's shard the line into the room
(:mod:`.lines`). Opus goes between worker and shard over loopback.
"""
