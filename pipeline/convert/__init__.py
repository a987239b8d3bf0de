"""From a torch graph to a file that a runtime on a board loads."""
