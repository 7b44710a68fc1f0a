"""The two grammars: `mapping` computes claims, `gateway` computes what routes and filters ask for."""
