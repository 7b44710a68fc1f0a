"""HTTP: messages, filters and handlers, and the protocol on both sides of the proxied path."""
