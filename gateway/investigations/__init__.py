"""Guard rails of search: what needs a case, a second person's approval and an end."""
