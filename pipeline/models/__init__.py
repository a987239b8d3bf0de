"""Small reference networks, and the graph form that every stage works on."""
