"""The answer as Markdown, and as a piece of HTML for the report."""

import html
import re
from typing import NamedTuple

from subtuning.analysis.answer.data import data_sentences
from subtuning.analysis.answer.known import Known
from subtuning.analysis.answer.plain import plain
from subtuning.analysis.answer.surer import surer_sentences
from subtuning.analysis.answer.words import costs, gains, headline, sureness, verdict

Section = tuple[str, list[str]]


class Answer(NamedTuple):
    """A title, the sentence that says what to train, and sections of sentences."""

    title: str
    lead: str
    sections: list[Section]


def answer(known: Known) -> Answer:
    """The answer of a finished study."""
    task, backbone = known.names
    return Answer(
        f"Which layers of {backbone} to fine-tune for {task}",
        f"{headline(known)} {verdict(known)}".rstrip(),
        [
            ("What it gains", gains(known)),
            ("How sure the choice is", sureness(known)),
            ("What it costs", costs(known)),
            ("The images", data_sentences(known.facts, known.metric)),
            ("What would make it surer", surer_sentences(known)),
        ],
    )


def as_markdown(found: Answer) -> str:
    """The text of answer.md."""
    parts = [f"# {found.title}", found.lead]
    for heading, sentences in found.sections:
        parts += [f"## {heading}", "\n".join(f"- {sentence}" for sentence in sentences)]
    return "\n\n".join(parts) + "\n"


def as_text(found: Answer) -> str:
    """The same for a terminal."""
    return plain(as_markdown(found))


def as_html(found: Answer) -> str:
    """A piece of a page in ASCII, which looks right alone and within the report."""
    parts = [f"<h1>{_inline(found.title)}</h1>", f"<p>{_inline(found.lead)}</p>"]
    for heading, sentences in found.sections:
        items = "".join(f"<li>{_inline(sentence)}</li>\n" for sentence in sentences)
        parts += [f"<h3>{_inline(heading)}</h3>", f"<ul>\n{items}</ul>"]
    body = "\n".join(parts).encode("ascii", "xmlcharrefreplace").decode()
    return f'<article style="font-family: sans-serif; line-height: 1.5; max-width: 46em">\n{body}\n</article>\n'


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(text, quote=False))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)
