"""How the report looks: on a phone and a desk, by day and by night, on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d1f23; --quiet: #5d6470; --rule: #e3e0d8; --grid: #ebe8e0;
  --first: #1f5fa8; --second: #b4490f; --link: #1f5fa8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1c1f25; --ink: #e8e6e1; --quiet: #a3a9b4; --rule: #31353d; --grid: #2a2e35;
    --first: #7db4f0; --second: #f0a36b; --link: #8fc0f5;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; max-width: 68rem; padding: 2rem clamp(1rem, 4vw, 2.5rem) 4rem; background: var(--paper);
  color: var(--ink); font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  overflow-wrap: break-word;
}
h1, h2, h3 { font-family: Charter, "Bitstream Charter", Cambria, Georgia, serif; line-height: 1.2; font-weight: 600; }
h1 { font-size: clamp(1.8rem, 5vw, 2.6rem); margin: 0 0 .5rem; letter-spacing: -.01em; }
h2 { font-size: 1.55rem; margin: 3.5rem 0 1rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
p { max-width: 44rem; margin: .5rem 0 1rem; }
a { color: var(--link); text-underline-offset: .15em; }
.lead { font-size: 1.15rem; color: var(--quiet); }
nav ul { list-style: none; margin: 1.5rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; }
nav a { display: inline-block; padding: .3rem 0; }
.quiet, .meaning, .interval, figcaption, dt { color: var(--quiet); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 1rem; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem 1.1rem; }
.card .name { font-weight: 600; }
.card .value {
  display: block; font-size: 1.9rem; line-height: 1.25; font-variant-numeric: tabular-nums; letter-spacing: -.01em;
}
.card .interval { font-size: .9rem; }
.card .meaning, .better { font-size: .9rem; line-height: 1.45; margin: .5rem 0 0; }
figure { margin: 0 0 1.8rem; }
figure img {
  display: block; max-width: 100%; height: auto; border-radius: .4rem; image-rendering: pixelated;
  background: var(--grid);
}
figure img.wide { width: 100%; }
figcaption { font-size: .95rem; margin-top: .5rem; max-width: 44rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
.charts figure {
  background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; padding: 1rem; margin: 0;
}
.charts figcaption { margin: 0 0 .5rem; color: var(--ink); font-weight: 600; }
.chart { display: block; width: 100%; height: auto; font-size: 11px; }
.chart text { fill: var(--quiet); font-variant-numeric: tabular-nums; }
.chart .grid { stroke: var(--grid); }
.chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.chart .line-0 { stroke: var(--first); } .chart .line-1 { stroke: var(--second); stroke-dasharray: 6 3; }
.chart circle.line-0 { fill: var(--first); } .chart circle.line-1 { fill: var(--second); }
.chart .bar { fill: var(--first); }
.legend {
  display: flex; flex-wrap: wrap; gap: 0 1.2rem; margin: .4rem 0 0; padding: 0; list-style: none; font-size: .9rem;
}
.legend li { white-space: nowrap; }
.legend svg { width: 2rem; height: .7rem; margin-right: .4rem; }
.legend line { stroke-width: 2.5; }
.legend .line-0 { stroke: var(--first); } .legend .line-1 { stroke: var(--second); stroke-dasharray: 6 3; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; background: var(--card); margin: 0 0 1rem; }
caption { text-align: left; color: var(--quiet); font-size: .9rem; padding: .4rem 0; }
th, td { text-align: left; vertical-align: top; padding: .6rem .8rem; border-bottom: 1px solid var(--rule); }
thead th { font-weight: 600; font-size: .9rem; color: var(--quiet); vertical-align: bottom; }
tbody th { font-weight: 600; }
tbody th .meaning { display: block; font-weight: 400; font-size: .87rem; line-height: 1.4; max-width: 24rem; }
td { font-variant-numeric: tabular-nums; }
td .interval { display: block; font-size: .85rem; }
.plain td, .plain th { padding: .35rem .8rem; }
.parameters { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18rem), 1fr)); gap: 1rem; }
.parameters h3 { margin: 0 0 .5rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .15rem 1rem; margin: 0; font-size: .95rem; max-width: 32rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right; }
code { font: .92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 46rem) {
  body { font-size: 1rem; }
  h2 { margin-top: 2.5rem; }
  .figures, .figures caption, .figures tbody, .figures tr, .figures th { display: block; width: 100%; }
  .figures thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .figures tr { padding: .8rem 0; border-bottom: 1px solid var(--rule); }
  .figures tbody th, .figures td { border: 0; padding: .15rem .9rem; }
  .figures td { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; }
  .figures td:empty { display: none; }
  .figures td::before { content: attr(data-label); color: var(--quiet); }
  .figures td .interval { grid-column: 1 / -1; text-align: right; }
  .figures tbody th .meaning { max-width: none; margin-bottom: .3rem; }
}
@media print { body { max-width: none; } nav { display: none; } figure, .card, tr { break-inside: avoid; } }
"""
