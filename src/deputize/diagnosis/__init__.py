"""What goes wrong, why, and what to do about it; and a client that finds it out, as an agent would.

`causes` is the one catalogue, in whose words `deputize doctor`, the console and the guides speak.
"""
