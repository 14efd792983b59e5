"""Fire: the rules with their clauses, and what the city breaks of them."""
