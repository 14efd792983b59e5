"""Casework: the office interface at ``/casework`` and the public one at ``/reports``."""
