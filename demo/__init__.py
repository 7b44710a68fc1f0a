"""`make demo` and `make up`: the whole use case with the real programs, in processes on this machine."""
