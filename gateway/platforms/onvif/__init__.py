"""ONVIF cameras and recorders as platforms: held, told apart by channel, asked and searched for."""
