"""Drawing grids: cells -> graph -> search -> plan -> score."""
