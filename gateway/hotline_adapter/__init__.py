"""The reference adapter: a hotline's work orders come in as incidents, what becomes of them goes
back.

It stands alone, and uses nothing of the gateway that others may not: its HTTP API by a token, and
signed webhooks. Whoever connects another system writes another :mod:`orders`.
"""
