"""Audit: small event records, written together at the end of the turn of the event loop in which they were
made.

Records name who acted for whom, on what, and how it ended. They never hold tokens or the arguments of a call.
"""
