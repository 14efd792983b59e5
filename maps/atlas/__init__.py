"""The grid atlas: pages that open anywhere and load nothing."""
