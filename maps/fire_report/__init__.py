"""The fire report of a region, as page and workbook."""
