"""The frame of a report: one HTML file that needs nothing else, on a screen or on paper."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root { --ink:#1c2330; --soft:#5b6575; --line:#dde2ea; --ground:#fff; --panel:#f5f7fa;
  --accent:#2563a8; --warn:#8a5a00; --warnground:#fff6e0; }
@media (prefers-color-scheme: dark) { :root { --ink:#e8ecf2; --soft:#a0abbb; --line:#38414f;
  --ground:#171b22; --panel:#20262f; --accent:#6fb1f5; --warn:#f3cf7f; --warnground:#3a2f16; } }
@media print { :root { --ink:#000; --ground:#fff; --panel:#fff; } .cases { display:none; } }
* { box-sizing:border-box; }
body { font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif; color:var(--ink);
  background:var(--ground); max-width:1080px; margin:0 auto; padding:28px 24px 60px; }
h1 { font-size:25px; margin:0 0 4px; } h2 { font-size:18px; margin:34px 0 10px; }
p { margin:6px 0; } .soft { color:var(--soft); } .small { font-size:13px; }
.tiles { display:flex; flex-wrap:wrap; gap:12px; margin:20px 0 6px; }
.tile { background:var(--panel); border:1px solid var(--line); border-radius:8px;
  padding:12px 18px; min-width:150px; }
.tile b { display:block; font-size:27px; line-height:1.2; }
.tile span { color:var(--soft); font-size:13px; }
table { border-collapse:collapse; width:100%; font-size:14px;
  font-variant-numeric:tabular-nums; }
th, td { text-align:right; padding:5px 9px; border-bottom:1px solid var(--line); }
td { white-space:nowrap; }
th { color:var(--soft); font-weight:600; font-size:13px; vertical-align:bottom; }
th:first-child, td:first-child { text-align:left; }
tr.total td { font-weight:600; border-top:2px solid var(--line); }
.scroll { overflow-x:auto; }
.note { background:var(--warnground); color:var(--warn); border-radius:8px; padding:10px 14px;
  margin:14px 0; }
.gallery { display:grid; grid-template-columns:repeat(auto-fill,minmax(460px,1fr)); gap:16px; }
figure { margin:0; background:var(--panel); border:1px solid var(--line); border-radius:8px;
  overflow:hidden; } figure img { width:100%; display:block; }
figcaption { padding:7px 12px; font-size:13px; display:flex; justify-content:space-between; }
.heads { display:grid; grid-template-columns:1fr 1fr 1fr; font-size:12px; color:var(--soft);
  text-align:center; padding-top:4px; }
.key { display:inline-block; width:12px; height:12px; border-radius:3px; margin:0 6px 0 14px;
  vertical-align:-1px; }
svg { width:100%; max-width:820px; height:auto; display:block; }
svg text { font:12px system-ui,sans-serif; fill:var(--ink); } svg .name { text-anchor:end; }
svg .tick { text-anchor:middle; fill:var(--soft); } svg .grid { stroke:var(--line); }
svg .dot { fill:var(--accent); fill-opacity:.55; } svg .box { fill:none; stroke:var(--ink); }
svg .median { stroke:var(--ink); stroke-width:2.5; } svg .mean { fill:var(--accent); }
svg .range { stroke:var(--accent); stroke-width:3; } svg .zero { stroke:var(--soft);
  stroke-dasharray:4 3; }
details summary { cursor:pointer; color:var(--accent); margin:10px 0; }
@media (max-width:560px) { .gallery { grid-template-columns:1fr; } }
"""


def page(title: str, body: Iterable[str]) -> str:
    """Give a whole HTML file; it loads nothing from anywhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def tiles(values: Sequence[tuple[str, str]]) -> str:
    """Give large figures with what they are."""
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>'
        for value, what in values
    )
    return f'<div class="tiles">{cells}</div>'


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, total: bool = False, name: str = ""
) -> str:
    """Give a table of texts; the last row may be set off as a total."""
    lines = [list(row) for row in rows]
    body = "".join(
        f"<tr{' class=total' if total and row is lines[-1] else ''}>"
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in lines
    )
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    opening = f'<table class="{name}">' if name else "<table>"
    return (
        f'<div class="scroll">{opening}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def note(sentence: str) -> str:
    """Give a sentence that must not be overlooked."""
    return f'<p class="note">{escape(sentence)}</p>'


def paragraph(text: str, kind: str = "") -> str:
    """Give a paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def image(png: bytes, what: str) -> str:
    """Give a picture that is part of the file."""
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{escape(what, quote=True)}" src="data:image/png;base64,{data}">'


def number(value: float, digits: int = 3) -> str:
    """Write a figure; a dash where it is not defined."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def interval(low: float, high: float) -> str:
    """Write an interval; one dash where there is none."""
    return "–" if math.isnan(low) else f"{number(low)} – {number(high)}"


def signed(value: float, digits: int = 3) -> str:
    """Write a difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}"
