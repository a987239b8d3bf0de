"""Secateur: cut a PyTorch model until it fits the board, and prove it on the board."""
