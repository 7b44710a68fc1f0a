"""What expressions can call.

The libraries of the mapping dialect and the functions of the gateway dialect.
"""
