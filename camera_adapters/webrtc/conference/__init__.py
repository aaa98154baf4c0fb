"""Peers of a meeting: each sends its microphone, camera and screen, and is shown what it is told.

One offer and one answer a peer. Packets are grouped by picture and sent on as PacketBatches, never
decoded; what a peer sees changes by the server filling its slots with other sources.
"""
