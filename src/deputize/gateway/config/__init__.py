"""From configuration files to typed configuration."""
