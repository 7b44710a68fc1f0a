"""The sample agent.

Finds out whom an MCP server trusts, gets the user's consent, exchanges tokens, and uses the tools.
"""
