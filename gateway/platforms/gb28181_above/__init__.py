"""We as the lower platform of others (GB/T 28181 cascade): what they are given, and how."""
