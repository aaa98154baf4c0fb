"""Alarms: what is wrong with cameras, devices and what joins them, told once and as one."""
