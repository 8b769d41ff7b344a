"""Experiments; one file each, found by its name. A file has two functions:

    names(settings) -> list[str]        the names of its steps, which begin with its own: `windows`, `greedy/forward/2`
    step(name, settings) -> Step        the step of this name

Its tables are in `analysis/tables/` and its figures in `analysis/figures/`, under the same name.
"""
