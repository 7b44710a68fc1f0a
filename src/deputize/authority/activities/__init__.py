"""Records of authority and gateways, kept for people to search. The record of proof is the audit file."""
