"""An adapter, a selector and an experiment that are added to subtuning from outside of it."""
