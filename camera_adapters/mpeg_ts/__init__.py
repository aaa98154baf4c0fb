"""MPEG transport streams (ISO/IEC 13818-1 §2.4), taken apart to pictures and sound."""
