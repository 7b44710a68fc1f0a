"""`make interop`: programs of others through gateway and authority, and one table of what works."""
