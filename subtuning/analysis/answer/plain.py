"""Texts of this folder for a terminal."""


def plain(markdown: str) -> str:
    """The text without the marks of Markdown."""
    lines = (line.lstrip("# ") if line.startswith("#") else line for line in markdown.splitlines())
    return "\n".join(lines).replace("**", "").replace("`", "")
