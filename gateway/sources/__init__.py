"""What brings a camera's media: chosen by its address."""
