"""Whether cameras show what they should: pictures looked at, recording counted, clocks compared."""
