"""Pages, and routes that every role may use."""
