"""Quality of a plan: objective, score card, checks, explanations, numbering."""
