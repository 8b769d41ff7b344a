"""What the Snakefile and the rules need of the package."""
