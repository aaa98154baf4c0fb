"""GB/T 28181 as the upper platform: devices and platforms that register with us."""
