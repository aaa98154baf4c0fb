"""Finding persons and vehicles in pictures: one interface, several models."""
