"""The authorization server: its endpoints, its sign-on pages, its directory and its store."""
