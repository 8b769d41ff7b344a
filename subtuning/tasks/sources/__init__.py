"""One module a source, each with `open_source(spec, workers, progress) -> Source`, named as in the config."""
