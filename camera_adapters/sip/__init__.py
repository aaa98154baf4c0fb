"""SIP over UDP and TCP (RFC 3261) as GB/T 28181 needs it: sans-IO cores and thin transports."""
