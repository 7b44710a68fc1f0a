"""What users see between an authorization request and its answer, and what their own pages share with it."""
