"""Secret stores as heap objects."""
