"""What users prove who they are with beside a password, for the steps of a sign-on and their own pages."""
