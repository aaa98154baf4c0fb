"""What the map is drawn on: tiles and outlines of the county's own."""
