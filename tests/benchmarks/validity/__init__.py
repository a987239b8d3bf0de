"""How well the validity rules find what breaks a session, and how seldom they cry wolf."""
