# SPDX-License-Identifier: Apache-2.0
"""The style of a run's page; it follows the reader's light or dark setting."""

from __future__ import annotations

from typing import Final

CSS: Final = """
:root {
  color-scheme: light dark;
  --ink: #1b2a33; --muted: #5d6b74; --line: #d9dfe2; --accent: #1f6f8b; --bad: #c03a20;
  --paper: #fefefe; --page: #f4f6f7; --pass: #93a3ac;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e4eaed; --muted: #9dabb3; --line: #36434b; --accent: #5fb4d1; --bad: #ef7f63;
    --paper: #1a2227; --page: #12181c; --pass: #66757e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 76rem; padding: 1.5rem clamp(0.8rem, 3vw, 2rem) 4rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
    sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 0.4rem; }
p { margin: 0.3rem 0 0.8rem; max-width: 50rem; }
.lead, .hint, figcaption, caption { color: var(--muted); }
.hint, figcaption, caption { font-size: 0.9rem; }
section {
  background: var(--paper); border: 1px solid var(--line); border-radius: 0.6rem;
  padding: 1.1rem clamp(0.8rem, 2.5vw, 1.5rem); margin-top: 1.2rem;
}
.tiles {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 0.8rem;
  margin: 1.2rem 0 0;
}
.tiles div {
  background: var(--paper); border: 1px solid var(--line); border-radius: 0.6rem;
  padding: 0.8rem 1rem;
}
.tiles dt { color: var(--muted); font-size: 0.88rem; }
.tiles dd { margin: 0; font-size: 1.6rem; font-weight: 600; line-height: 1.3; }
.tiles dd.small { font-size: 0.85rem; font-weight: 400; color: var(--muted); line-height: 1.4; }
.tiles dd.bad { color: var(--bad); }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.93rem; }
caption { text-align: left; padding-bottom: 0.3rem; }
th, td { padding: 0.3rem 0.6rem; text-align: left; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom; }
td.n, th.n { text-align: right; white-space: nowrap; }
td.hit { background: color-mix(in srgb, var(--accent) calc(var(--p) * 0.6%), var(--paper)); }
td.miss { background: color-mix(in srgb, var(--bad) calc(var(--p) * 0.9%), var(--paper)); }
.row { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); }
figure { margin: 0.8rem 0 0; min-width: 0; }
figure svg { width: 100%; height: auto; display: block; }
.strip svg { min-width: 46rem; }
svg text { fill: var(--muted); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none; }
svg .mark { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 4 3; fill: none; }
svg .item { fill: none; stroke-opacity: 0.75; stroke-linejoin: round; }
svg .fired { stroke: var(--accent); }
svg .passed { stroke: var(--pass); }
svg .missed { stroke: var(--bad); stroke-opacity: 1; }
svg .unseen { stroke: var(--bad); stroke-dasharray: 7 4; stroke-opacity: 1; }
svg .fire { fill: var(--ink); }
svg .bar { fill: var(--accent); }
dl.about { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr;
  gap: 0.2rem 1.2rem; margin: 0.4rem 0 0; font-size: 0.92rem; }
dl.about dt { color: var(--muted); }
dl.about dd { margin: 0; overflow-wrap: anywhere; }
.key i { display: inline-block; width: 1.4rem; height: 0.5rem; margin: 0 0.3rem 0 0.9rem; }
@media print { section { break-inside: avoid; } body { max-width: none; background: none; } }
"""
