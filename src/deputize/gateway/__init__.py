"""The gateway.

A streaming reverse proxy configured by `admin.json` and route files, built for MCP servers.
"""
