"""Grids on paper: map sheets, street atlases, notice boards, contact cards, assignment lists."""
