#include "cli/render/report_style.h"

namespace gnomon::cli {

const char kReportStyle[] = R"css(
:root { color-scheme: light dark;
  --page: #f6f5f1; --card: #ffffff; --ink: #1d2430; --soft: #5d6676; --rule: #e3e1da;
  --production: #2563c4; --shadow: #c2570c; --good: #1a7f4b; --bad: #c0282d; --unsure: #8a6300;
  --treatment: #f7e4cd; --control: #e6eef9; --allowed: #d5ecdf; }
@media (prefers-color-scheme: dark) { :root {
  --page: #14171c; --card: #1d2129; --ink: #e6e8ec; --soft: #9aa3b2; --rule: #323844;
  --production: #6ea8fe; --shadow: #ff9d57; --good: #5fcf96; --bad: #ff7b7b; --unsure: #e8bd54;
  --treatment: #3a2b1d; --control: #1f2b3f; --allowed: #1e3a2c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 20px 64px; }
header .brand { color: var(--soft); font-size: 13px; letter-spacing: .04em; }
h1 { font-size: 32px; line-height: 1.2; margin: 6px 0 8px; }
h1.good { color: var(--good); } h1.bad { color: var(--bad); } h1.unsure { color: var(--unsure); }
.summary { font-size: 18px; margin: 0 0 20px; max-width: 60em; }
h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 15px; margin: 0; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 20px 22px; margin: 0 0 18px; }
section p { margin: 0 0 10px; color: var(--soft); max-width: 70em; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px 22px; margin: 0; }
dt { color: var(--soft); font-size: 12.5px; } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 12.5px; }
th, td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--rule); vertical-align: middle; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.reason { color: var(--soft); font-size: 13px; }
td svg { display: block; width: 190px; height: 26px; }
.pill { display: inline-block; padding: 1px 9px; border-radius: 99px; border: 1px solid currentColor; font-size: 12.5px; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .unsure { color: var(--unsure); }
figure { margin: 0 0 26px; } figure:last-child { margin-bottom: 0; }
figcaption p { margin: 0; font-size: 13px; }
figure > svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin: 4px 0; }
section > .legend { margin-bottom: 18px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.swatch { display: inline-block; width: 22px; height: 12px; border-radius: 3px; }
.swatch.treatment { background: var(--treatment); } .swatch.control { background: var(--control); }
rect.treatment { fill: var(--treatment); } rect.control { fill: var(--control); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.line.production { stroke: var(--production); } .line.shadow { stroke: var(--shadow); }
.line.median { stroke-width: 1.6; stroke-dasharray: 1 4; }
.grid { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; }
.tick { fill: var(--soft); font-size: 12px; }
.allowed { fill: var(--allowed); }
.zero { stroke: var(--soft); stroke-dasharray: 2 3; } .interval { stroke: currentColor; stroke-width: 3; stroke-linecap: round; }
.dot { fill: currentColor; }
pre { margin: 0; overflow-x: auto; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } section { break-inside: avoid; } }
)css";

}  // namespace gnomon::cli
