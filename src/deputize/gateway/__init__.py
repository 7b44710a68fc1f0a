"""The gateway: a streaming reverse proxy configured by `admin.json` and route files, built for MCP servers.

`config` reads files into typed configuration, `loading` builds live objects from it, `exchange` holds what
these share about one exchange. `filters`, `handlers`, `resolvers`, `throttling`, `secrets`, `tls` and `audit`
are the kinds of objects, and `catalogue` lists them all. `app` listens.
"""
