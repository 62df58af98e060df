"""What every face works with: jobs, settings, downloads and the form of last time."""
