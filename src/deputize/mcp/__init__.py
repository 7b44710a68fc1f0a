"""What the gateway knows about the Model Context Protocol, without I/O, clock or randomness.

Bytes in, decisions out.
"""
