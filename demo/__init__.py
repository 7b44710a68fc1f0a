"""`make demo` and `make up`.

The whole use case with the real programs, as separate processes on this machine.
"""
