"""An Office equation as one line of text: `(a)/(b)`, `x^2`, `√(x)`. It knows OMML, no layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.reading.ooxml import MATH, value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIMPLE = {  # templates over the parts of an element, by their names
    "f": "({num})/({den})",
    "sSup": "{e}^{sup}",
    "sSub": "{e}_{sub}",
    "sSubSup": "{e}_{sub}^{sup}",
    "rad": "{deg}√({e})",
    "func": "{fName} {e}",
    "limLow": "{e}_{lim}",
    "limUpp": "{e}^{lim}",
}
_PROPERTIES = "Pr"


def linear(element: Element) -> str:
    """The equation in reading order."""
    if element.tag == f"{MATH}t":
        return element.text or ""
    name = element.tag.removeprefix(MATH)
    if name in _SIMPLE:
        parts = {child.tag.removeprefix(MATH): linear(child) for child in element}
        return _SIMPLE[name].format_map(
            {"deg": "", "num": "", "den": "", "e": "", "sup": "", "sub": "", "lim": "", "fName": ""} | parts
        )
    if name == "nary":
        sign = value(element.find(f"{MATH}naryPr/{MATH}chr"), "val", "∫")
        parts = {child.tag.removeprefix(MATH): linear(child) for child in element}
        low, high = parts.get("sub", ""), parts.get("sup", "")
        return f"{sign}{f'_{low}' if low else ''}{f'^{high}' if high else ''} {parts.get('e', '')}"
    inner = "".join(linear(child) for child in element if not child.tag.endswith(_PROPERTIES))
    return f"({inner})" if name == "d" else inner
