"""From the layers of a community to the graph of its cells."""
