"""Turn what was measured into results.md and results.svg.

python benchmarks/serving/publish.py
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
from html import escape
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
COLOURS = ("#0b6e4f", "#3366aa", "#b9770e", "#8e44ad", "#c0392b", "#566573")


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
    return {
        "cpu": f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}, virtual",
        "memory": f"{int(memory[1]) >> 20} GiB" if memory else "",
        "system": f"Linux {platform.release()}, Python {platform.python_version()}",
        "libraries": f"scikit-learn {version('scikit-learn')}, numpy {version('numpy')}",
    }


def table(results: list[dict]) -> str:
    """Return results as a Markdown table."""
    lines = [
        (
            "| server | rows | connections | req/s | p50 ms | p99 ms | errors | CPU us | start s |"
            " MiB | others |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one['server']} | {one['rows']} | {one['connections']} |"
        f" {one['requests_per_second']:,.0f} | {one['p50_ms']:.2f} | {one['p99_ms']:.1f} |"
        f" {one['errors']:.0f} | {one['cpu_us']:,.0f} | {one['start_s']:.1f} |"
        f" {one['memory_mib']:.0f} | {one['other_cores']:.1f} |"
        for one in results
    ]
    return "\n".join(lines)


def at(results: list[dict], rows: int, connections: int) -> list[dict]:
    """Return the servers' results of one case."""
    return [one for one in results if (one["rows"], one["connections"]) == (rows, connections)]


def _times(results: list[dict]) -> list[str]:
    """Return how many times as many requests penstock answered as each of the others."""
    lines = ["| rows | connections | penstock |"]
    names = [one["server"] for one in at(results, 1, 32) if one["server"] != "penstock"]
    lines[0] += "".join(f" {name} |" for name in names)
    lines.append("|---|---|---|" + "---|" * len(names))
    for rows in (1, 32):
        for connections in sorted({one["connections"] for one in results}):
            rates = {
                one["server"]: one["requests_per_second"] for one in at(results, rows, connections)
            }
            ours = rates.get("penstock", math.nan)
            cells = "".join(
                f" {rates[name]:,.0f} ({ours / rates[name]:.1f}x) |" if name in rates else " |"
                for name in names
            )
            lines.append(f"| {rows} | {connections} | {ours:,.0f} |{cells}")
    return lines


def picture(results: list[dict]) -> str:
    """Draw requests per second and the 99th percentile of one row over connections, by server."""
    names = list(dict.fromkeys(one["server"] for one in results))
    parts = [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 980 400" role="img"'
            ' font-family="sans-serif" font-size="12">'
        ),
        "<title>Requests per second and latency of model servers</title>",
        '<rect width="980" height="400" fill="white"/>',
    ]
    for left, key, title in (
        (70, "requests_per_second", "Requests per second, one row (more is better)"),
        (560, "p99_ms", "99th percentile of the latency in ms, one row (less is better)"),
    ):
        parts += _chart([one for one in results if one["rows"] == 1], names, left, key, title)
    for number, name in enumerate(names):
        x = 70 + number * 150
        parts.append(
            f'<rect x="{x}" y="375" width="12" height="12" fill="{COLOURS[number]}"/>'
            f'<text x="{x + 17}" y="385">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _chart(results: list[dict], names: list[str], left: int, key: str, title: str) -> list[str]:
    top, width, height = 50, 390, 270
    values = [one[key] for one in results]
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    counts = sorted({one["connections"] for one in results})

    def y(value: float) -> float:
        share = (math.log10(value) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return top + height * (1 - share)

    parts = [f'<text x="{left}" y="28" font-size="15">{escape(title)}</text>']
    mark = low
    while mark <= high:
        parts.append(f'<path d="M{left} {y(mark):.1f}h{width}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:,g}</text>'
        )
        mark *= 10
    step = width / max(1, len(counts) - 1)
    for index, count in enumerate(counts):
        parts.append(
            f'<text x="{left + index * step:.1f}" y="{top + height + 18}" text-anchor="middle">'
            f"{count}</text>"
        )
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">connections'
        "</text>"
    )
    for number, name in enumerate(names):
        points = [
            (left + counts.index(one["connections"]) * step, y(one[key]))
            for one in results
            if one["server"] == name
        ]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        colour = COLOURS[number]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
    return parts


def _swaps(found: dict) -> list[str]:
    rest, under, rolling = found["rest"], found["swapping"], found["rollbacks"]
    return [
        "",
        "## Swaps and rollbacks under full load",
        "",
        (
            f"{found['swaps']} swaps from {found['connections']} connections, each with a change of"
            " weight, another champion, the end of the old one's process and its start."
        ),
        "",
        "| | requests | failed | by another version than said | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {one['requests']:,} | {one['failed']} | {one['astray']} |"
            f" {one['p50_us'] / 1000:.2f} | {one['p99_us'] / 1000:.1f} |"
            for name, one in (("at rest", rest), ("swaps", under), ("20 rollbacks", rolling))
        ),
        "",
        (
            "From the order to roll back to the last answer of the bad version:"
            f" {found['rollback_median_s'] * 1000:.0f} ms (median), the slowest"
            f" {found['rollback_slowest_s'] * 1000:.0f} ms."
        ),
    ]


def main() -> None:
    found = json.loads((HERE / "results.json").read_text())
    results = found["results"]
    taken = [one["other_cores"] for one in results]
    about = "; ".join(found["machine"].values())
    lines = [
        "# Serving, measured",
        "",
        (
            f"{about}. The load generator (wrk) runs on the same cores. One model process each,"
            " numerical libraries with one thread; penstock has two model processes, one per side"
            " of the split, and everything on: the split in halves, the prediction log, metrics."
            " *others* is what processes that are no part of the measurement took meanwhile, in"
            f" cores: {min(taken):.1f} to {max(taken):.1f} in this run."
        ),
        "",
        "![Requests per second and latency](results.svg)",
        "",
        "Requests per second, and how many times as many penstock answered:",
        "",
        *_times(results),
        "",
        "## All figures",
        "",
        table(results),
    ]
    swaps = HERE / "swaps.json"
    if swaps.exists():
        lines += _swaps(json.loads(swaps.read_text()))
    (HERE / "results.md").write_text("\n".join([*lines, ""]))
    (HERE / "results.svg").write_text(picture(results))


if __name__ == "__main__":
    main()
