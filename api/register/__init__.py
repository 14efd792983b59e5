"""The register at ``/register``: counts by area, and the rows of a building."""
