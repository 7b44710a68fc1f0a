"""From typed configuration to live objects."""
