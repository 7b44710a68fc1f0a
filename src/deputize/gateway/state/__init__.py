"""What the gateway itself keeps on this machine: a port for each kind, and the database behind it."""
