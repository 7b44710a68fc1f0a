"""The protocol rules of OAuth 2.1, OpenID Connect and RFC 8693 without I/O, clock or randomness.

Those are passed in.
"""
