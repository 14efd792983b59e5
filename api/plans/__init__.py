"""Routes for grid plans: drawing, drafts, edits, comparison, jobs."""
