"""Audit: small event records made on the request path, written by sinks in batches off it.

Records name who acted for whom, on what, and how it ended. They never hold tokens or the arguments of a call.
"""
