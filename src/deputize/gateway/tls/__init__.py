"""TLS objects of listeners and of clients."""
