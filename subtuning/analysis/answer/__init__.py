"""The answer in words: what a study found, how sure that is, what it costs, and what would make it surer.

Everything here is a function of tables and facts that are on disk already; a sentence claims no more than its numbers
carry. Texts use `code` and **bold** of Markdown and nothing else of it.
"""
