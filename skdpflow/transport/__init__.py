"""Post-processing: synthetic rows from a release and public parameters."""
