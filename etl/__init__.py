"""Files in: readers, repair, checks, publish, the sample city."""
