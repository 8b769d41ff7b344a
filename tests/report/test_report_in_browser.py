"""The report as somebody sees it who opens it: its first page, its tables, its figures."""

import json

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WINDOWS = [(1366, 768), (1920, 1080)]
"""Of a laptop and a monitor."""

CONTENT = "#app .overflow-auto.items-center"
"""What is beside the menu."""

IMAGE = f"document.querySelector('{CONTENT} img')"

BOX = "const box = {}.getBoundingClientRect(); return [box.left, box.top, box.right, box.bottom]"

COMPARISON = "[...document.querySelectorAll('nav a')].find(link => link.textContent.trim() === 'Comparison')"

EYES = "document.querySelectorAll('nav td a, nav span.flex a')"

TABLE = "document.querySelector('tbody') && document.readyState === 'complete'"

SORTED = """(() => {{
    const heading = [...document.querySelectorAll("th")].find(cell => cell.textContent.startsWith({heading}));
    heading.click();
    const rows = [...document.querySelectorAll("tbody tr")];
    return [heading.getAttribute("aria-sort"), rows.map(row => Number(row.cells[heading.cellIndex].dataset.value))];
}})()"""


def box_of(page, what):
    return page.run(f"(() => {{ {BOX.format(what)} }})()")


def show(page, path):
    """Do what the eye beside a result does."""
    kind = "html" if path.endswith(".html") else "img"
    view = f"{{content: '{kind}', contentPath: results[{json.dumps(path)}].data_uri, resultPath: {json.dumps(path)}}}"
    page.run(f"(app.setView({view}), 1)")


def results(page):
    return json.loads(page.run("JSON.stringify(Object.keys(results))"))


@pytest.mark.parametrize("window", WINDOWS)
def test_it_opens_with_the_answers_and_shows_them_from_their_top(page, report, window):
    page.open(report, *window)
    page.wait("document.querySelector('#app details article h1')")
    page.wait(
        "getComputedStyle(document.querySelector(CONTENT)).alignItems === 'flex-start'".replace(
            "CONTENT", f"'{CONTENT}'"
        )
    )
    _, top, right, _ = box_of(page, "document.querySelector('#app details article h1')")
    assert 0 <= top < window[1] / 2
    assert right <= window[0]
    words = page.run("document.querySelector('#app details article').innerText")
    assert "Which layers of" in words
    assert "What would make it surer" in words
    assert page.run("document.querySelectorAll('#app details article').length") == 2
    assert "`" not in page.run("getComputedStyle(document.querySelector('#app article code'), '::before').content")
    assert page.errors == []


@pytest.mark.parametrize("window", WINDOWS)
def test_every_figure_is_shown_whole(page, report, window):
    page.open(report, *window)
    page.wait("window.results && document.querySelector('nav')")
    figures = [path for path in results(page) if path.endswith(".svg")]
    assert len(figures) == 2 * 8 + 1 + 1
    for path in figures:
        show(page, path)
        end = json.dumps(path.rpartition("/")[2])
        page.wait(f"{IMAGE}?.src.endsWith({end}) && {IMAGE}.complete && {IMAGE}.naturalWidth")
        left, top, right, bottom = box_of(page, IMAGE)
        width, height = page.run(f"[{IMAGE}.naturalWidth, {IMAGE}.naturalHeight]")
        menu = box_of(page, "document.querySelector('nav')")[2]
        assert menu <= left < right <= window[0] + 1, path
        assert 0 <= top < bottom <= window[1] + 1, path
        assert (right - left) / (bottom - top) == pytest.approx(width / height, rel=0.02), path
    assert page.errors == []


def test_every_table_is_shown_explained_and_sorted_by_a_click(page, report):
    page.open(report, *WINDOWS[0])
    page.wait("window.results && document.querySelector('nav')")
    tables = [path for path in results(page) if path.endswith(".html") and not path.endswith("answer.html")]
    assert len(tables) == 2 * 3 + 2
    for path in tables:
        show(page, path)
        name = path.rpartition("/")[2]
        page.wait(TABLE, inside=name)
        assert page.run("document.querySelectorAll('tbody tr').length", inside=name) >= 4, path
        columns, explained = (
            page.run(f"document.querySelectorAll('{tag}').length", inside=name) for tag in ("th", "dt")
        )
        assert columns == explained, path
    show(page, next(path for path in tables if path.endswith("comparison.html")))
    page.wait(TABLE, inside="comparison.html")
    for turn, (state, order) in enumerate((("descending", -1), ("ascending", 1))):
        found, values = page.run(SORTED.format(heading='"accuracy %"'), inside="comparison.html")
        assert (found, values) == (state, sorted(values, reverse=order < 0)), turn
        assert len(set(values)) > 1
    assert page.errors == []


def test_a_click_on_an_eye_shows_a_table_and_downloads_nothing(page, report):
    page.open(report, *WINDOWS[0])
    page.wait("document.querySelector('nav')")
    page.wait(COMPARISON)
    page.run(f"({COMPARISON}.click(), 1)")
    page.wait(f"{EYES}.length")
    assert page.run(f"[...{EYES}].filter(link => link.download).length") == 0
    page.run(f"({EYES}[0].click(), 1)")
    page.wait(f"document.querySelector('{CONTENT} :is(iframe, img)')")
    assert page.errors == []
