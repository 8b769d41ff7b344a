"""`source: csv`: a table with a line an image, its columns found by name."""

import csv
import io
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from subtuning.errors import UserError, did_you_mean, listed
from subtuning.tasks.parts import divide, find_parts, meaning
from subtuning.tasks.source import Source, check_classes
from subtuning.tasks.sources.files import file_source, missing, read_text
from subtuning.tasks.sources.folder import find_files, is_image

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}
YES_OR_NO = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
BETWEEN_LABELS = {"bar": "|", "semicolon": ";", "comma": ",", "blank": " "}
NAMES = {
    "path": "path file filename file_name filepath file_path image image_path image_name image_file image_id img "
    "img_path img_name id id_code uuid name",
    "label": "label labels class class_name class_label class_id target category category_id species breed diagnosis "
    "dx y",
    "split": "split subset partition set",
}
"""What people call the columns, in any case, with `_`, `-` or blanks; the first of a line that is there is taken."""


def open_source(spec, workers: int = 1, progress: bool = False) -> Source:
    """Classes are the labels that occur: in the order of the numbers if all are whole numbers, else of the alphabet.

    Those of `label_columns` are the columns, in the order in which they are given.
    """
    file, root = Path(spec.path), Path(spec.images)
    if not file.is_file():
        raise missing("task table", file, "path: must be a file of text in columns")
    if not root.is_dir():
        raise missing("image folder", root, f"images: must be the folder of the images that {file} names")
    table = read_table(file, spec)
    paths = _find_files(file, root, table["path"])
    if spec.multilabel:
        classes, labels, odd = _several(file, table, spec)
    else:
        classes, labels, odd = *_classes(file, table["label"]), _unsplit(file, table["label"])
    rows, warnings = _rows(file, table, labels, spec)
    warnings = [*odd, *warnings]
    return file_source(root, classes, paths, labels, rows, workers, progress, warnings)


def read_table(file: Path, spec) -> pd.DataFrame:
    """Columns path, label and, if there is one, split, as text without blanks around it; the index holds line numbers.

    With `label_columns` these stand in place of label, as ``label 0`` and so on.

    Raises `UserError` for a table or a cell that cannot be read.
    """
    text = read_text(file, "columns of paths and labels, saved as CSV")
    separator = SEPARATORS.get(spec.separator) or _separator(file, text)
    try:
        # As text throughout: 007 is an id, and a class may be called NA or None.
        table = pd.read_csv(
            io.StringIO(text), sep=separator, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        words = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise UserError(f"{file} is no table of columns ({words}); quote cells that hold a separator") from None
    table = table.fillna("").apply(lambda column: column.str.strip())
    table.index += 1
    names = spec.columns or list(table.iloc[0])
    if spec.columns and len(names) != table.shape[1]:
        raise UserError(f"{file} has {table.shape[1]} columns, but columns: names {len(names)}; name all of them")
    chosen = _columns(file, names, spec)
    table = table[(table != "").any(axis=1)].iloc[0 if spec.columns else 1 :]
    table = table[list(chosen.values())].set_axis(list(chosen), axis=1)
    if table.empty:
        raise UserError(f"{file} has no lines below its header; it needs a line for each image")
    for column, place in chosen.items():
        if column == "label" and spec.multilabel:
            continue  # an image without any label
        if empty := table.index[table[column] == ""].tolist():
            what = f"empty cells in the column {names[place]!r}"
            raise UserError(f"{file} has {what}: line {listed(empty)}; fill them or remove the lines")
    return table


def _separator(file: Path, text: str) -> str:
    try:
        return csv.Sniffer().sniff(text[:100_000].partition("\n")[0], "".join(SEPARATORS.values())).delimiter
    except csv.Error:
        raise UserError(
            f"{file}: the first line has no comma, semicolon or tab between columns; name what is there with separator:"
        ) from None


def _columns(file: Path, names: list[str], spec) -> dict[str, int]:
    """Place of the columns path, label and, if there is one, split."""
    plain = [name.casefold().replace(" ", "_").replace("-", "_") for name in names]
    chosen = {}
    for column, known in NAMES.items():
        key = f"{column}_column"
        wanted = getattr(spec, key)
        if column == "label" and spec.label_columns:
            chosen |= {f"label {i}": _named(file, names, own) for i, own in enumerate(spec.label_columns)}
        elif wanted not in ("auto", "none"):
            chosen[column] = _named(file, names, wanted)
        elif found := [plain.index(name) for name in known.split() if name in plain and wanted == "auto"]:
            chosen[column] = found[0]
        elif column != "split":
            raise UserError(
                f"{file} has no column named {', '.join(known.split()[:3])} or the like; its first line is "
                f"{listed(names)}; say {key}: and its name, or columns: and all names if that line is no header"
            )
    if len(set(chosen.values())) < len(chosen):
        labels = "label_columns" if spec.label_columns else "label_column"
        raise UserError(f"{file}: path_column, {labels} and split_column must be different columns")
    return chosen


def _named(file: Path, names: list[str], wanted: str) -> int:
    if wanted not in names:
        raise UserError(f"{file} has no column {wanted!r}{did_you_mean(wanted, names)}; it has {listed(names)}")
    if names.count(wanted) > 1:
        raise UserError(f"{file} has two columns {wanted!r}; rename one of them")
    return names.index(wanted)


def _classes(file: Path, labels: pd.Series) -> tuple[tuple[str, ...], np.ndarray]:
    if labels.str.fullmatch(r"[0-9]{1,9}").all():
        values, codes = np.unique(labels.astype(int), return_inverse=True)
        return check_classes([str(value) for value in values], str(file)), codes.astype(np.int64)
    codes, values = pd.factorize(labels, sort=True)
    return check_classes(list(values), str(file)), codes.astype(np.int64)


def _several(file: Path, table: pd.DataFrame, spec) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """Classes, labels (uint8 N x C of 0 and 1), and a warning if there are images without any."""
    if spec.label_columns:
        cells = table[[column for column in table if column.startswith("label ")]]
        if wrong := sorted(set(np.unique(cells.to_numpy())) - YES_OR_NO.keys()):
            raise UserError(
                f"{file} has cells in label_columns that are neither 0 nor 1: {listed(wrong, 5)}; correct them"
            )
        classes, labels = (
            check_classes(list(spec.label_columns), str(file)),
            cells.replace(YES_OR_NO).to_numpy(np.uint8),
        )
    else:
        between = BETWEEN_LABELS[spec.label_separator]
        split = [[label.strip() for label in cell.split(between) if label.strip()] for cell in table["label"]]
        owners = np.repeat(np.arange(len(split)), [len(own) for own in split])
        classes, codes = _classes(file, pd.Series([label for own in split for label in own], dtype=str))
        labels = np.zeros((len(split), len(classes)), np.uint8)
        labels[owners, codes] = 1
    without = int((labels.sum(1) == 0).sum())
    return classes, labels, [f"{file}: {without:,} images have none of the {len(classes)} labels"] if without else []


def _unsplit(file: Path, labels: pd.Series) -> list[str]:
    """A warning if single labels look like several ones in one cell."""
    known = set(labels)
    for name, between in BETWEEN_LABELS.items():
        if found := [label for label in known if between in label and known >= set(label.split(between))]:
            words = "which may be several labels; if so, say label_separator:"
            return [f"{file} has labels such as {min(found)!r}, {words} {name}"]
    return []


def _rows(file: Path, table: pd.DataFrame, labels: np.ndarray, spec) -> tuple[dict[str, np.ndarray], list[str]]:
    """Rows of the table for each part, and warnings."""
    if "split" not in table:
        return divide(labels, spec, str(file)), []
    words = table["split"].str.casefold()
    if wrong := [word for word in words.unique() if not meaning(word)]:
        raise UserError(
            f"{file} has words in the column of parts that are not train, val or test: {listed(wrong)}; correct them, "
            "or say split_column: none"
        )
    parts, warnings = find_parts(words.unique(), str(file))
    if missing := [part for part in ("train", "test") if part not in parts]:
        raise UserError(f"{file} has no lines for {missing[0]}; add them, or say split_column: none")
    rows = {part: np.flatnonzero(words == word) for part, word in parts.items()}
    return divide(labels, spec, str(file), rows), warnings


def _find_files(file: Path, root: Path, entries: pd.Series) -> list[Path]:
    """The image of each entry. Raises `UserError` that names what is missing, unclear or named twice."""
    inside = [_inside(PurePosixPath(entry.replace("\\", "/")), root.absolute()) for entry in entries]
    outside = [f"line {entries.index[i]} ({entries.iloc[i][:60]})" for i, inner in enumerate(inside) if inner is None]
    if outside:
        raise UserError(f"{file} names files outside {root}: {listed(outside)}; use paths below images:")
    paths = [root / inner for inner in inside]
    vague = [i for i, path in enumerate(paths) if not path.is_file()]
    index = _by_short_name(root) if vague else {}
    problems = []
    for i in vague:
        found = index.get(str(inside[i]), [])
        if len(found) == 1:
            paths[i] = found[0]
        else:
            what = f"{' or '.join(str(path.relative_to(root)) for path in found[:3])}?" if found else "missing"
            problems.append(f"line {entries.index[i]} ({entries.iloc[i][:60]}: {what})")
    if problems:
        above = all(inside[i].parts[0] == root.absolute().name for i in vague)
        advice = f"say images: {root.parent}" if above else "images: must be the folder that its paths are relative to"
        what = f"{len(problems)} images that are not found below {root}"
        raise UserError(f"{file} names {what}; {advice}: {listed(problems)}")
    first: dict[Path, int] = {}
    twice = [
        f"line {line} ({entries[line][:60]}, as in line {first[path]})"
        for line, path in zip(entries.index, paths, strict=True)
        if first.setdefault(path, line) != line
    ]
    if twice:
        raise UserError(f"{file} names images twice: {listed(twice)}; keep one line for each image")
    return paths


def _inside(path: PurePosixPath, root: Path) -> PurePosixPath | None:
    """`path` below `root`; None if it leads elsewhere."""
    if path.is_absolute() and path.is_relative_to(root):
        path = path.relative_to(root)
    return None if path.is_absolute() or ".." in path.parts or not path.parts else path


def _by_short_name(root: Path) -> dict[str, list[Path]]:
    """Path without ending, name, and name without ending -> the images below `root` that it may mean."""
    index: dict[str, list[Path]] = {}
    for path in filter(is_image, find_files(root, root, {})):
        inner = path.relative_to(root)
        for short in {str(inner.with_suffix("")), inner.name, inner.stem}:
            index.setdefault(short, []).append(path)
    return index
