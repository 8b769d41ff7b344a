"""Selectors name layers without listing them, such as `best` or `last 2`; one file each, found by its name.

A file has one function:

    select(study, *words) -> Tuning | None    the words that follow the name; None where runs must be finished first
"""
