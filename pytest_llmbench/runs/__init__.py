"""What happened: records, run folders, stored results."""
