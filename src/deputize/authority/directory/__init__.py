"""What administrators configured: stored as documents, assembled into the immutable snapshot that every request reads."""
