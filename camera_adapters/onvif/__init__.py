"""ONVIF: what is asked of cameras and recorders, what they answer, and how they are found.

Requests and answers are plain functions over :mod:`~camera_adapters.onvif.xml_tree`; sockets are in
``exchange``, ``search`` and ``notifications`` alone. See docs/decisions/013 for why no generated
client is used.
"""
