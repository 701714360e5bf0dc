# SPDX-License-Identifier: Apache-2.0
"""The picture of bench/figure4.py: seconds over workers, measured as lines with dots, formulas as dashed lines."""
import math
from html import escape

WIDTH, HEIGHT = 860, 500
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 48, 52  # margins; names of the lines stand on the right
COLOURS = ["#c0392b", "#d68910", "#7d6608", "#1e8449", "#2471a3", "#6c3483", "#34495e"]
GREY = "#707b7c"
LINE = 15  # height of a line of text


def steps(largest):
    """Round numbers from 0 to at least `largest`, about six of them."""
    raw = max(largest, 1e-9) / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return [i * step for i in range(math.ceil(largest / step - 1e-9) + 1)]


def apart(wanted):
    """Heights near the wanted ones, of which no two are closer than a line of text."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = [wanted[i] for i in order]
    for _ in range(200):
        for low, high in zip(range(len(placed)), range(1, len(placed))):
            if (overlap := LINE - (placed[high] - placed[low])) > 0:
                placed[low] -= overlap / 2
                placed[high] += overlap / 2
    heights = [0.0] * len(wanted)
    for place, i in zip(placed, order):
        heights[i] = place
    return heights


def picture(title, measured, formulas):
    """SVG. Both arguments: by name, a list of (workers, seconds)."""
    points = [point for curve in (*measured.values(), *formulas.values()) for point in curve]
    most_workers = max(p for p, _ in points)
    ticks = steps(max(seconds for _, seconds in points))

    def x(workers):
        return LEFT + (WIDTH - LEFT - RIGHT) * workers / most_workers

    def y(seconds):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * seconds / ticks[-1]

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           'font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="26" font-size="15">{escape(title)}</text>']
    for tick in ticks:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e5e7e9"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for workers in sorted({p for p, _ in points}):
        out.append(f'<text x="{x(workers):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{workers}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">workers</text>')
    out.append(f'<text x="18" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 18 {HEIGHT / 2})">'
               'seconds</text>')
    curves = [(name, curve, GREY, True) for name, curve in formulas.items()]
    curves += [(name, curve, COLOURS[i % len(COLOURS)], False) for i, (name, curve) in enumerate(measured.items())]
    heights = apart([y(curve[-1][1]) for _, curve, _, _ in curves])
    for (name, curve, colour, dashed), height in zip(curves, heights):
        corners = " ".join(f"{x(p):.1f},{y(seconds):.1f}" for p, seconds in curve)
        style = ' stroke-dasharray="6 4"' if dashed else ""
        out.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="2"{style}/>')
        if not dashed:
            out += [f'<circle cx="{x(p):.1f}" cy="{y(seconds):.1f}" r="3.5" fill="{colour}"/>' for p, seconds in curve]
        end_x, end_y = x(curve[-1][0]), y(curve[-1][1])
        out.append(f'<line x1="{end_x + 5:.1f}" y1="{end_y:.1f}" x2="{end_x + 18:.1f}" y2="{height:.1f}" '
                   f'stroke="{colour}" stroke-width="0.7"/>')
        out.append(f'<text x="{end_x + 22:.1f}" y="{height + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>", ""])
