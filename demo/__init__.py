"""`make demo` and `make up`: the whole use case with the real programs, as separate processes on this
machine.
"""
