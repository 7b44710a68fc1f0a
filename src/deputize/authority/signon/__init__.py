"""What users see: the interaction between an authorization request and its answer, and their account page."""
