"""What lies in the results folder: what is prepared for a config, and how to prepare it. No torch here."""
