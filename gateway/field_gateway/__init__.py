"""The field gateway: what telephones outside reach of the gateway, and nothing else of it.

A process of its own, on a machine between the public network and the video network, with a public
certificate. It knows no database, no secret of the cluster and no camera.
"""
