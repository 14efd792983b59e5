"""Casework: kinds of cases, their workflow, deadlines, routing, and the cases in the database."""
