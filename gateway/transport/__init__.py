"""Encrypting what people's browsers send: certificates, and how a browser comes to trust them."""
