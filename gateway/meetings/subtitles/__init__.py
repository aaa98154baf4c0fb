"""A slot for subtitles: whatever understands speech can be plugged in. Off unless it is named."""
