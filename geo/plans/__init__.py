"""Grid plans in the database: store, edit, validate, compare, draw many."""
