"""An adapter, a selector, a strategy and an experiment that are added to subtuning from outside of it."""
