"""Import runs: records, approval, roll-back, quarantine, report."""
