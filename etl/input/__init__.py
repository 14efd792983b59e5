"""Opening, decoding and mapping delivered files."""
