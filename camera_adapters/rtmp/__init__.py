"""RTMP (Adobe's specification 1.0): chunks, commands, a client that plays, a server that is pushed
to. What it carries are FLV's bodies (:mod:`camera_adapters.flv.media`).
"""
