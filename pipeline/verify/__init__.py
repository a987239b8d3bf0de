"""The proof that a converted file answers as the torch model does, in the runtimes it is for."""
