"""The register: counts of dwellings and organisations, and the workload that follows from them."""
