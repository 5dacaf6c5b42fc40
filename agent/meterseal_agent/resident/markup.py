"""HTML as a tree: what a text holds is never markup, because texts are only ever texts.

The tree is the standard library's and escapes all it writes. A page has no script, no
asset of anybody and one style sheet, whose hash is the only one the policy lets in. This
module must never build markup by joining texts.
"""

import hashlib
from base64 import b64encode
from typing import Final
from xml.etree.ElementTree import Element, tostring

from meterseal_agent.resident import words

CSS: Final = """
:root{color-scheme:light dark;--ink:#1c1b19;--paper:#fbfaf7;--soft:#5d5a54;--line:#d9d5cc;
--mark:#1b6b4a;--warn:#8a1c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e9e5dc;--paper:#15140f;--soft:#a8a397;
--line:#38352d;--mark:#7fcfa6;--warn:#ff9d8a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:40rem;padding:1rem;background:var(--paper);color:var(--ink);
font:1.125rem/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;line-height:1.2;margin:.5rem 0 1rem}h2{font-size:1.25rem;margin:2rem 0 .5rem}
h3{font-size:1.1rem;margin:1.5rem 0 .25rem}
a{color:var(--mark)}a:focus-visible,button:focus-visible,input:focus-visible{
outline:3px solid var(--mark);outline-offset:2px}
nav ul{display:flex;flex-wrap:wrap;gap:.5rem;list-style:none;margin:0;padding:0}
nav a,button{display:inline-block;min-height:2.75rem;padding:.5rem .9rem;font:inherit;
border:1px solid var(--line);border-radius:.5rem;background:none;color:var(--ink);
text-decoration:none;cursor:pointer}
nav a[aria-current]{border-color:var(--mark);color:var(--mark);font-weight:600}
nav form{margin:0}
input{display:block;width:100%;max-width:18rem;margin:.25rem 0 1rem;padding:.6rem;
font:1.4rem/1.4 ui-monospace,monospace;letter-spacing:.15em;border:1px solid var(--soft);
border-radius:.5rem;background:var(--paper);color:var(--ink)}
label{font-weight:600}.soft{color:var(--soft)}.warn{color:var(--warn);font-weight:600}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem}
dl{display:grid;grid-template-columns:1fr auto;gap:.3rem 1rem;margin:.5rem 0}
dt{color:var(--soft)}dd{margin:0;text-align:right;font-variant-numeric:tabular-nums}
.big{font-size:1.5rem;font-weight:600;color:var(--ink)}
.wide{overflow-x:auto}table{width:100%;border-collapse:collapse}
caption{text-align:left;color:var(--soft)}
th,td{text-align:left;padding:.4rem .5rem .4rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tfoot th,tfoot td{font-weight:700}
meter{width:100%;min-width:4rem;height:1.1rem}
code{display:block;overflow-x:auto;padding:.5rem;border:1px solid var(--line);border-radius:.5rem}
@media print{nav,.skip{display:none}}
"""
POLICY: Final = (
    "default-src 'none'; style-src 'sha256-"
    + b64encode(hashlib.sha256(CSS.encode()).digest()).decode()
    + "'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every page."""

Node = Element | str | None
"""A child: an element, a text, or nothing."""


def e(tag: str, /, *children: Node, **attributes: str) -> Element:
    """Return an element; `class_` and `for_` are the attributes of these names."""
    made = Element(tag, {_attribute(key): text for key, text in attributes.items()})
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            if last is None:
                made.text = (made.text or "") + child
            else:
                last.tail = (last.tail or "") + child
        elif child is not None:
            made.append(child)
            last = child
    return made


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def document(title: str, *body: Node) -> bytes:
    """Return a whole page of these elements."""
    head = e(
        "head",
        e("meta", charset="utf-8"),
        e("meta", name="viewport", content="width=device-width, initial-scale=1"),
        e("meta", name="robots", content="noindex"),
        e("link", rel="icon", href="data:,"),
        e("title", f"{title} · {words.TITLE}"),
        e("style", CSS),
    )
    tree = e("html", head, e("body", *body), lang=words.LANGUAGE)
    text: str = tostring(tree, encoding="unicode", method="html")
    return b"<!doctype html>\n" + text.encode()


def framed(title: str, here: str, *body: Node) -> bytes:
    """Return a page for who is inside: the menu, then the body; `here` is its path."""
    places = (("/", words.USAGE), ("/bills", words.BILLS), ("/others", words.OTHERS))
    links = [
        e("li", e("a", name, href=path, **_current(path == here)))
        for path, name in places
    ]
    leave = e("form", e("button", words.LEAVE), method="post", action="/logout")
    return document(
        title,
        e("a", words.SKIP, href="#main", class_="skip"),
        e("nav", e("ul", *links, e("li", leave)), aria_label=words.MENU),
        e("main", e("h1", title), *body, id="main"),
    )


def _current(here: bool) -> dict[str, str]:  # noqa: FBT001 - named where it is used
    return {"aria_current": "page"} if here else {}


def table(
    caption: str,
    heads: tuple[str, ...],
    rows: list[tuple[Node, ...]],
    foot: tuple[Node, ...] = (),
) -> Element:
    """Return a table; a head that ends in "#" is of numbers, set to the right."""
    kinds = [{"class_": "n"} if head.endswith("#") else {} for head in heads]
    top = [
        e("th", head.rstrip("#"), scope="col", **kind)
        for head, kind in zip(heads, kinds, strict=True)
    ]
    body = e("tbody", *(_row(row, kinds) for row in rows))
    end = e("tfoot", _row(foot, kinds)) if foot else None
    said = e("caption", caption) if caption else None
    inner = e("table", said, e("thead", e("tr", *top)), body, end)
    return e("div", inner, class_="wide")


def _row(row: tuple[Node, ...], kinds: list[dict[str, str]]) -> Element:
    first, *rest = zip(row, kinds, strict=True)
    cells = [e("td", cell, **kind) for cell, kind in rest]
    return e("tr", e("th", first[0], scope="row"), *cells)


def bar(value: int, most: int, text: str) -> Element:
    """Return a bar of `value` in `most`: `text` where bars are not drawn, silent aloud."""
    size = {"min": "0", "max": str(max(most, 1)), "value": str(value)}
    return e("meter", text, aria_hidden="true", **size)
