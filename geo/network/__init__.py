"""Roads and pipes as graphs: routes, isochrones, isolation."""
