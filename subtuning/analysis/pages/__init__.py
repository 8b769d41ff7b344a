"""Tables as pages for a browser, which also stand in the report."""
