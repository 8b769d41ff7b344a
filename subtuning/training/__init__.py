"""A converted task and lanes -> trained lanes and their metrics."""
