"""`report.html`: one file with all that a run shows; needs the extra `report`."""
