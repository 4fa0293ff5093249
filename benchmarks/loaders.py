"""How much of the text of files is read, file by file and format by format.

    python -m benchmarks.loaders --data DIR [--json]

DIR is a folder of files of any kind. What should be found is, for each file:

- the reference text beside it, `expected_outputs/NAME.md`, where there is one that is not empty;
- else, for Office files, every run of text in the package's own XML that a person sees: paragraphs of the
  body, notes, comments, headers and footers, slides and their notes, cells and inline strings, charts'
  cached texts. Deleted revisions, hidden text, field codes and fallbacks of alternatives are no text;
- else, for HTML, what Python's own parser gives without scripts, styles and the page's head. That holds
  menus and footers, which are left out on purpose: it is shown and does not count;
- else, for other text, the file itself, decoded as UTF-8 or, failing that, Shift-JIS.

Words are compared as multisets: lower case, NFKC, runs of letters and digits, each Han or kana character
by itself; Markdown's marks and links' addresses in a reference are no words. Recall is the share of the
reference's words that are found again, each as often as the reference has it. PDFs and pictures without a
reference count as read, without a recall. A file that is refused is shown with the sentence that says so.
Ends with 1 where the recall of all words together is below 0.97, or a file fails in any other way.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import unicodedata
import zipfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

from mmrag.assemble import build_reader
from mmrag.config import Settings
from mmrag.errors import NotReadable

MUST_HOLD = 0.97
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
LINK = re.compile(r"\]\([^)]*\)")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
UNSEEN = {"del", "moveFrom", "instrText", "delText", "Fallback", "rPh"}
TEXTS = {"t", "v"}
INLINE = set("a abbr b bdi cite code em i mark q s small span strong sub sup u".split())
EVERYTHING = "html.parser, menus and all"
READ_PARTS = re.compile(
    r"word/(?:document|footnotes|endnotes|comments|header\d*|footer\d*)\.xml"
    r"|ppt/(?:slides|notesSlides)/[^/]+\.xml|xl/(?:sharedStrings|worksheets/[^/]+|drawings/[^/]+|comments\d*)\.xml"
    r"|(?:word|ppt|xl)/charts/chart\d*\.xml"
)


@dataclass(frozen=True)
class Row:
    """One file: how many of the reference's words were found again, or why it was not read."""

    name: str
    kind: str
    reference: str
    words: int
    found: int
    seconds: float
    refused: str = ""

    @property
    def recall(self) -> float | None:
        """None where there is nothing to compare with."""
        return self.found / self.words if self.words else None


def words_of(text: str) -> Counter[str]:
    """The words of a text, each as often as it stands there."""
    return Counter(WORD.findall(unicodedata.normalize("NFKC", text).lower()))


def reference_of(path: Path) -> tuple[str, str]:
    """Where the reference comes from, and its text."""
    beside = path.parent / "expected_outputs" / f"{path.stem}.md"
    if path.suffix == ".pdf" and beside.is_file() and beside.stat().st_size:
        return "reference text", COMMENT.sub(" ", LINK.sub("]", beside.read_text(encoding="utf-8")))
    data = path.read_bytes()
    if path.suffix in (".docx", ".pptx", ".xlsx"):
        return "the file's own XML", "\n".join(_office_texts(path))
    if path.suffix in (".html", ".htm"):
        parser = _Visible()
        parser.feed(data.decode("utf-8", errors="replace"))
        return EVERYTHING, "".join(parser.texts)
    if path.suffix in (".csv", ".json", ".txt", ".md"):
        try:
            return "the file itself", data.decode("utf-8")
        except UnicodeDecodeError:
            return "the file itself", data.decode("cp932")
    return "-", ""


def _office_texts(path: Path) -> list[str]:
    texts = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if READ_PARTS.fullmatch(name):
                texts.extend(_seen(fromstring(archive.read(name)), name))  # noqa: S314 - a benchmark's own files
    return texts


def _seen(element: Element, part: str) -> list[str]:
    """Texts by paragraph; a run is no word."""
    local = element.tag.rpartition("}")[2]
    if local in UNSEEN or (local == "fld" and element.get("type") == "slidenum"):
        return []
    if local == "r" and any(child.tag.rpartition("}")[2] == "vanish" for child in element.iter()):
        return []
    if local in TEXTS:
        if "math" in element.tag:
            return [f" {element.text or ''} "]
        is_number = local == "v" and element.text and re.fullmatch(r"[-\d.eE+]+", element.text)
        return [] if is_number else [element.text or ""]
    inner = [text for child in element for text in _seen(child, part)]
    return ["".join(inner)] if local in ("p", "si") and "Content" not in element.tag else inner


class _Visible(HTMLParser):
    """Collects the text of a page without scripts, styles and the head."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        self._part(tag)
        self._within += tag in ("script", "style", "head", "noscript", "svg")

    def handle_endtag(self, tag: str) -> None:
        self._part(tag)
        self._within -= tag in ("script", "style", "head", "noscript", "svg") and self._within > 0

    def _part(self, tag: str) -> None:
        if tag not in INLINE:
            self.texts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.texts.append(data)


def measure(data: Path) -> list[Row]:
    """A row for each file that is no reference itself."""
    reader = build_reader(Settings())
    rows = []
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.parent.name == "expected_outputs" or path.name == "SOURCE.txt":
            continue
        kind = path.suffix.removeprefix(".") or "none"
        origin, text = reference_of(path)
        start = time.perf_counter()
        try:
            reading = reader.read(path.read_bytes(), name=path.name)
        except NotReadable as error:
            rows.append(Row(path.name, kind, origin, 0, 0, time.perf_counter() - start, refused=str(error)))
            continue
        seconds = time.perf_counter() - start
        wanted = words_of(text)
        found = wanted & words_of("\n".join(page.text for page in reading.pages))
        rows.append(Row(path.name, kind, origin, wanted.total(), found.total(), seconds))
    return rows


def main() -> int:
    """Measure, print, and say whether the bound holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder of files")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each file")
    arguments = parser.parse_args()
    rows = measure(arguments.data)
    if arguments.json:
        for row in rows:
            print(json.dumps(asdict(row) | {"recall": row.recall}, ensure_ascii=False))
    else:
        _print(rows)
    words, found = counted(rows)
    return 0 if words and found >= MUST_HOLD * words else 1


def _print(rows: list[Row]) -> None:
    for row in rows:
        shown = "  -  " if row.recall is None else f"{row.recall:.3f}"
        print(f"{shown}  {row.seconds:6.2f} s  {row.name}  ({row.refused or row.reference})")
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[f"{row.kind}: {row.reference}"].append(row)
    print()
    for name, group in sorted(groups.items()):
        words, refused = sum(row.words for row in group), sum(bool(row.refused) for row in group)
        shown = f"{sum(row.found for row in group) / words:.3f}" if words else "  -  "
        print(f"{shown}  {name}: {len(group)} files, {refused} refused, {words} words")
    words, found = counted(rows)
    print(f"\n{found / max(1, words):.4f}  of the {words} words that count; must be {MUST_HOLD}")


def counted(rows: list[Row]) -> tuple[int, int]:
    """Words of the references that are what should be read, and how many of them were found."""
    own = [row for row in rows if row.reference != EVERYTHING]
    return sum(row.words for row in own), sum(row.found for row in own)


if __name__ == "__main__":
    sys.exit(main())
