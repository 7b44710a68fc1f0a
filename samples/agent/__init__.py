"""The sample agent: finds out whom an MCP server trusts, gets the user's consent, exchanges tokens, uses the
tools.
"""
