"""Places on the earth, and the coordinate systems that they are told in."""
