"""RTP and RTCP (RFC 3550): packets, payload formats, reordering, clocks."""
