"""What people look at: atlas, web map, paper."""
