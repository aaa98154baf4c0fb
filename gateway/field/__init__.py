"""Reports from the field: what grid workers see, sent from a telephone through dead spots."""
