"""Audit: small records of events, written together at the end of the event loop's turn that made them.

Records name who acted for whom, on what, and how it ended. They never hold tokens or the arguments of a call.
"""
