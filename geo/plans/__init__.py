"""Grid plans in the database: draw, store, edit, validate and compare them."""
