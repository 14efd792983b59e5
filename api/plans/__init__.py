"""Routes of grid plans: drafts, edits, jobs."""
