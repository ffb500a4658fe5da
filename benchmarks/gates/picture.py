"""The results as a table and as a picture."""

from __future__ import annotations

import math
from html import escape

COLOURS = {
    "penstock": "#0b6e4f",
    "hoeffding": "#3366aa",
    "higher is better": "#c0392b",
    "fixed threshold": "#b9770e",
}


def table(found):
    lines = [
        (
            f"Promotions in {found['experiments']:,} experiments per case; allowed: "
            f"{found['alpha']:.0%} false ones."
        ),
        "",
        "| condition | rows | truth | penstock | hoeffding | higher is better | fixed threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["cases"]:
        for truth, key in (("null", "false_promotions"), ("good", "power")):
            cells = " | ".join(f"{row[key][one]:.4f}" for one in COLOURS)
            value = f"{row[truth]:g} ({'must not pass' if truth == 'null' else 'should pass'})"
            lines.append(f"| `{row['case']}` | {row['n']:,} | {value} | {cells} |")
    lines += ["", "Rows at which 9 of 10 good candidates are promoted:", ""]
    lines += ["| condition | penstock | hoeffding |", "|---|---|---|"]
    for row in found["cases"]:
        sizes = row.get("rows_for_90_percent")
        if sizes:
            cells = " | ".join(
                f"{sizes[one]:,}" if one in sizes else "more than 200,000"
                for one in ("penstock", "hoeffding")
            )
            lines.append(f"| `{row['case']}` | {cells} |")
    lines += [
        "",
        (
            "100 commits that climb on the numbers of one test set of 5,000 rows, none truly "
            "better than the threshold: share of developers with any false promotion."
        ),
        "",
        "| reliability | penstock | hoeffding | higher is better | fixed threshold |",
        "|---|---|---|---|---|",
    ]
    for row in found["adaptive"]:
        cells = " | ".join(f"{row['fooled'][one]:.4f}" for one in COLOURS)
        lines.append(f"| {row['reliability']:g} | {cells} |")
    return "\n".join([*lines, ""])


def svg(found):
    """Draw false promotions as bars, and power over rows as lines."""
    width, height, left = 980, 330 + 280, 60
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="12" role="img">'
        ),
        "<title>False promotions and power of promotion rules</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        (
            f'<text x="{left}" y="24" font-size="15">False promotions (allowed: '
            f"{found['alpha']:.0%})</text>"
        ),
    ]
    parts += _bars(found, left, 40, width - left - 20, 220)
    for index, (name, curve) in enumerate(found["curves"].items()):
        parts += _lines(name, curve, left + index * 470, 350, 400, 200)
    x = left
    for one, colour in COLOURS.items():
        parts.append(f'<rect x="{x}" y="{height - 22}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17}" y="{height - 12}">{escape(one)}</text>')
        x += 150
    return "\n".join([*parts, "</svg>", ""])


def _bars(found, left, top, width, height):
    groups = [(row["case"], row["false_promotions"]) for row in found["cases"]]
    groups += [
        (f"100 adaptive commits, {row['reliability']:g}", row["fooled"])
        for row in found["adaptive"]
    ]
    step = width / len(groups)
    parts = []
    for share in (0, 0.05, 0.25, 0.5, 0.75, 1):
        y = top + height * (1 - math.sqrt(share))
        stroke = "#c0392b" if share == 0.05 else "#ddd"
        parts.append(f'<path d="M{left} {y:.1f}h{width}" stroke="{stroke}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for index, (name, rates) in enumerate(groups):
        for place, (one, colour) in enumerate(COLOURS.items()):
            size = max(height * math.sqrt(rates[one]), 1)
            x = left + index * step + 12 + place * (step - 24) / 4
            wide = (step - 24) / 4 - 2
            parts.append(
                f'<rect x="{x:.1f}" y="{top + height - size:.1f}" width="{wide:.1f}" '
                f'height="{size:.1f}" fill="{colour}"><title>{escape(one)}: {rates[one]:.4f}'
                "</title></rect>"
            )
        for row, words in enumerate(_wrapped(name)):
            parts.append(
                f'<text x="{left + (index + 0.5) * step:.1f}" y="{top + height + 16 + 14 * row}" '
                f'text-anchor="middle" font-size="11">{escape(words)}</text>'
            )
    return parts


def _wrapped(name):
    words, lines = name.split(" "), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 20:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines[:3]


def _lines(name, curve, left, top, width, height):
    parts = [f'<text x="{left}" y="{top - 12}" font-size="15">Power: {escape(name)}</text>']
    first, last = math.log(curve["rows"][0]), math.log(curve["rows"][-1])
    for share in (0, 0.5, 0.9, 1):
        y = top + height * (1 - share)
        parts.append(f'<path d="M{left} {y:.1f}h{width}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for rows in curve["rows"]:
        x = left + width * (math.log(rows) - first) / (last - first)
        parts.append(
            f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{rows:,}</text>'
        )
    for one in ("penstock", "hoeffding"):
        points = " ".join(
            f"{left + width * (math.log(n) - first) / (last - first):.1f},"
            f"{top + height * (1 - power):.1f}"
            for n, power in zip(curve["rows"], curve[one], strict=True)
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[one]}" stroke-width="2"/>'
        )
    return parts
