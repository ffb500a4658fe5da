"""Draw detection delays beside the rules of other tools, from results/detection.json.

python benchmarks/rollouts/picture.py
"""

import json
import math
from html import escape
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLOURS = {"penstock": "#0b6e4f", "Flagger-like": "#b9770e", "Kayenta-like": "#3366aa"}
LEFT, WIDTH, ROW, TOP = 330, 940, 26, 78
TICKS = (1, 2, 5, 10, 20, 50, 120)


def across(delay):
    """Return where a delay in ticks stands."""
    return LEFT + (WIDTH - LEFT - 150) * math.log(max(delay, 1)) / math.log(TICKS[-1])


def text(x, y, words, *, size=13, anchor="start", colour="#222"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{colour}">{escape(words)}</text>'
    )


def dot(x, y, colour, share):
    """A full dot for what was found always, an open one with the share for what was not."""
    if share >= 0.995:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'
    ring = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="#fff" stroke="{colour}" '
    return ring + 'stroke-width="2"/>' + text(x + 10, y + 4, f"{share:.0%}", size=11, colour=colour)


def svg(found):
    bad = [one for one in found["rows"] if not one["null"]]
    good = [one for one in found["rows"] if one["null"]]
    height = TOP + ROW * (len(bad) + len(good)) + 128
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>'
        ),
        text(
            12,
            24,
            "Ticks until a worse version is rolled back (median; a look every tick)",
            size=16,
        ),
        text(12, 44, "full dot: found in every run; ring: found in this share of runs", size=12),
    ]
    x = LEFT
    for name, colour in COLOURS.items():
        parts += [dot(x, 58, colour, 1.0), text(x + 11, 62, name)]
        x += 150
    bottom = TOP + ROW * len(bad)
    for tick in TICKS:
        x = across(tick)
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{bottom}" stroke="#ddd"/>')
        parts.append(text(x, bottom + 16, str(tick), size=11, anchor="middle", colour="#666"))
    for index, row in enumerate(bad):
        y = TOP + ROW * index + 12
        parts.append(text(LEFT - 14, y + 4, row["scenario"], anchor="end"))
        for shift, (name, colour) in zip((-6, 0, 6), COLOURS.items(), strict=True):
            one = row[name]
            if one["delay"] is not None:
                parts.append(dot(across(one["delay"]), y + shift, colour, one["share"]))
    top = bottom + 56
    parts.append(
        text(12, top - 8, "Equal versions rolled back (bar to 100 %; line: alpha 5 %)", size=16)
    )
    span = WIDTH - LEFT - 150
    for index, row in enumerate(good):
        y = top + ROW * index + 12
        parts.append(text(LEFT - 14, y + 4, row["scenario"].removeprefix("null: "), anchor="end"))
        for shift, (name, colour) in zip((-8, -2, 4), COLOURS.items(), strict=True):
            width = max(span * row[name]["share"], 1.0)
            parts.append(
                f'<rect x="{LEFT}" y="{y + shift}" width="{width:.1f}" height="5" fill="{colour}"/>'
            )
    x = LEFT + span * 0.05
    end = top + ROW * len(good)
    parts.append(f'<path d="M{x:.1f} {top}V{end}" stroke="#c0392b" stroke-dasharray="4 3"/></svg>')
    return "\n".join(parts)


def main():
    found = json.loads((HERE / "results" / "detection.json").read_text(encoding="utf-8"))
    (HERE / "results" / "detection.svg").write_text(svg(found), encoding="utf-8")


if __name__ == "__main__":
    main()
