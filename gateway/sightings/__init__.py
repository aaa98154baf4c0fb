"""What others have seen: vehicle passes, people, pictures that checkpoints told us of.

They come in by GA/T 1400 (:mod:`gateway.platforms.gat1400`), are found like what our own cameras
saw, and go when their days are over.
"""
