"""How long tests wait for what happens at once on a machine with nothing else to do."""

PATIENCE = 120.0
"""In seconds.

Only a test that is about to fail waits that long; a machine with load 20 takes a fraction of it.
"""
