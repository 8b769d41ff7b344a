"""What MkDocs cannot do by itself, so that a page reads the same on GitHub and on the site.

Pages outside of docs/ become pages of the site; links lead where they lead on GitHub; and a page's comment
`<!-- ::: subtuning.profile -->` is replaced by what mkdocstrings makes of that name's docstring.
"""

import posixpath
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNNAMED = "OWNER/REPOSITORY"

INCLUDED = {
    "README.md": "index.md",
    "config/README.md": "config.md",
    "results/README.md": "results-folder.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Page of the repository -> page of the site."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+(?:\n[^`\n]+)?`)", re.MULTILINE | re.DOTALL)
MENTION = re.compile(r"(?<![\w/\[.])(?<!\]\()docs/((?:log/)?[\w-]+\.md)")


def on_config(config):
    """Headings get the anchors that GitHub gives them; the repository's address is that of pyproject.toml."""
    from pymdownx.slugs import slugify

    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    if UNNAMED not in repository():
        config.repo_url = repository()
    return config


def on_files(files, config):
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File

    for source, page in INCLUDED.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links, and names of pages, to where they are on the site; let mkdocstrings write what a comment names."""
    here = page.file.src_uri
    source = source_of(here)
    parts = CODE.split(markdown)
    for at, part in enumerate(parts):
        if at % 2 == 0:
            parts[at] = MENTION.sub(lambda found: titled(found[1], here), indented(part))
        elif MENTION.fullmatch(part.strip("`")):
            parts[at] = titled(part.strip("`").removeprefix("docs/"), here)
    markdown = LINK.sub(lambda found: led(found, source, here), "".join(parts))
    markdown = markdown.replace(UNNAMED, repository().partition("github.com/")[2])
    return re.sub(r"^<!-- (::: [\w.]+) -->$", r"\1", markdown, flags=re.MULTILINE)


def indented(text):
    """Lists within lists, and code within numbered ones, as deep as Python's Markdown wants them; GitHub needs less."""
    text = re.sub(r"^ {2}(?=[-*] )", " " * 4, text, flags=re.MULTILINE)
    return re.sub(r"^ {7}(?=\S)", " " * 8, text, flags=re.MULTILINE)


def titled(page: str, here: str) -> str:
    """A link to a page of docs/ with its title, for a page that is only named in the text."""
    target = posixpath.relpath(f"docs/{page}", posixpath.dirname(source_of(here)) or ".")
    return f"[{title_of(f'docs/{page}')}]({target})"


def title_of(source: str) -> str:
    """The heading of a page of the repository."""
    return (ROOT / source).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def source_of(page: str) -> str:
    """Where in the repository a page of the site is written."""
    return next((path for path, name in INCLUDED.items() if name == page), f"docs/{page}")


def led(found: re.Match, source: str, here: str) -> str:
    """A link as the site needs it: to its page, else to the repository or, while that has no address, no link."""
    image, text, target = found.groups()
    path, hash_sign, anchor = target.partition("#")
    if not path or ":" in path or path.startswith("/"):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    inside = INCLUDED.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
    if inside and (ROOT / path).is_file():
        if text.endswith(".md"):
            text = title_of(path)
        inside = posixpath.relpath(inside, posixpath.dirname(here) or ".")
        return f"{image}[{text}]({inside}{hash_sign}{anchor})"
    if not (ROOT / path).exists():
        return found[0]  # MkDocs says that it leads nowhere
    return text if UNNAMED in repository() else f"[{text}]({repository()}/blob/main/{path}{hash_sign}{anchor})"


def repository() -> str:
    """The address of the repository."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"].rstrip("/")


def on_post_build(config):
    """The site is complete: no page loads anything from elsewhere.

    Raises:
        ValueError: a page that does, and what it loads.
    """
    for page in Path(config.site_dir).rglob("*.html"):
        for tag in re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", page.read_text(encoding="utf-8")):
            if re.search(r"(?:src|href)=[\"']?(?:https?:)?//", tag) and "canonical" not in tag:
                raise ValueError(f"{page} loads something from elsewhere: {tag}")
