"""What everything else is built from: requests, results, events, errors and folders. Standard library and PIL only."""
