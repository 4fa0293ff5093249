"""Office packages made of raw XML, for what no writer writes: text boxes, revisions, Strict, damage."""

from __future__ import annotations

import io
import zipfile

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT_W = "http://purl.oclc.org/ooxml/wordprocessingml/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_OFFICE = "http://purl.oclc.org/ooxml/officeDocument/relationships"
WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
NAMESPACES = (
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)


def zipped(members, *, method=zipfile.ZIP_DEFLATED):
    """A ZIP of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def saved(document):
    """The bytes of what a writer's object holds."""
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def writer(make):
    """Writes documents of one kind: a function that fills a new one gives its bytes."""

    def write(fill):
        document = make()
        fill(document)
        return saved(document)

    return write


def relations(targets):
    """A part of relations: id -> (kind, target)."""
    entries = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{RELATIONS}">{entries}</Relationships>'


def content_types(main):
    """A part of content types with this type of the main part."""
    return (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Override PartName="/main.xml" ContentType="{main}"/></Types>'
    )


def word(body, *, parts=None, links=None, strict=False, declaration=""):
    """A Word document whose body is this XML."""
    members = {
        "[Content_Types].xml": content_types(WORD_TYPE),
        "_rels/.rels": relations({"rId1": ("officeDocument", "word/document.xml")}),
        "word/document.xml": (
            f'{declaration}<w:document xmlns:w="{W}" {NAMESPACES}><w:body>{body}</w:body></w:document>'
        ),
        "word/_rels/document.xml.rels": relations(links or {}),
    } | (parts or {})
    if strict:
        members = {
            name: text.replace(W, STRICT_W).replace(OFFICE, STRICT_OFFICE) for name, text in members.items()
        }
    return zipped(members)


def paragraph(text, properties=""):
    """A paragraph of one run."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
