"""How much a county needs, and how far what it has reaches: planning, and the daily forecast."""
