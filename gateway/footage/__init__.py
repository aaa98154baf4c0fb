"""The footage server: playback, HLS, MP4 and pictures from store, index and open segments."""
