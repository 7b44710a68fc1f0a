"""The sample agent: finds a server's authority, gets the user's consent, exchanges tokens, uses tools."""
