"""Evidence: cases, footage that is held for them, and packages that prove where they come from."""
