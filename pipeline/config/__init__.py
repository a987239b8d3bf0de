"""Typed TOML: recipes, targets and the user's lab file."""
