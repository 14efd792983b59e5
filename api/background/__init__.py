"""Work beside the requests: jobs, periodic tasks, warm-up."""
