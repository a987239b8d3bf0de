"""Operators in a form that int8 has; one function each, see `integer_form`."""
