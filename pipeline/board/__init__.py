"""The host's side of a board: transport, agent sessions, runtimes, facts."""
