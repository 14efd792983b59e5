"""What a plan is worth: objective, score card, checks, explanations."""
