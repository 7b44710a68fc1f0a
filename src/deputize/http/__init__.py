"""HTTP as the gateway sees it.

Messages, filters and handlers, and the protocols on both sides of the proxied path.
"""
