"""How a model becomes integer: the scheme, and the samples its ranges are taken from."""
