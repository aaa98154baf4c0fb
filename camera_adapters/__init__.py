"""Protocol cores, media transports, and the Stream that they produce or consume.

Nothing here knows of a database, a user or a file format on disk.
"""
