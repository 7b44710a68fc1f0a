"""What expressions can call: the libraries of the mapping dialect and the functions of the gateway dialect."""
