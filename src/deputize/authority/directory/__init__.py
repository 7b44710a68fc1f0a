"""What administrators configured.

Stored as documents, assembled into the immutable snapshot that every request reads.
"""
