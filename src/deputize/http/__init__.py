"""HTTP as the gateway sees it: messages, filters and handlers, and the protocols on both sides of the proxied path."""
