/* report_style.h: the style sheet of a sweep's report. Fonts of the reader's system, no scripts, light and dark, wide and narrow.
 *
 * Colours of lines are those of Okabe and Ito (lighter ones in the dark), told apart by people who do not see all colours; the marks of
 * lines differ as well. The original sampler has the colour of ink and a broken line.
 */
#ifndef BFN_EVAL_REPORT_STYLE_H
#define BFN_EVAL_REPORT_STYLE_H

/* In pieces: compilers promise strings of 4095 bytes only. */
static const char *const report_style[] = {
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1c2024;--soft:#5b6470;--line:#d9dee4;--panel:#f5f7f9;"
    "--heat:0 114 178;--k0:#0072b2;--k1:#d55e00;--k2:#00875f;--k3:#b8508a;--k4:#b97a00;--k5:#2b9bd6;--k6:#6a51a3;"
    "--k7:#7a5230;--ko:#1c2024}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#9aa4af;--line:#343b42;"
    "--panel:#1c2125;--heat:86 180 233;--k0:#56a8e9;--k1:#ff8a47;--k2:#2cc793;--k3:#e592bf;--k4:#f0b32b;--k5:#94d4ff;"
    "--k6:#b9a5ea;--k7:#cfa27a;--ko:#e6e9ec}}\n",
    "*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,"
    "\"Helvetica Neue\",\"Noto Sans\",\"DejaVu Sans\",sans-serif}"
    "main{max-width:1240px;margin:0 auto;padding:40px 24px 72px}"
    "h1{font-size:30px;line-height:1.2;margin:0 0 8px;letter-spacing:-.01em;text-wrap:balance}"
    "h2{font-size:20px;line-height:1.3;margin:0 0 4px;letter-spacing:-.005em}"
    "h3{font-size:15px;margin:0 0 6px;font-weight:600}"
    "section{margin-top:48px}p{margin:0 0 10px;max-width:78ch}"
    ".lead{color:var(--soft);font-size:17px}.note{color:var(--soft);font-size:14px}"
    ".left{border-left:3px solid var(--k1);padding:6px 12px;background:var(--panel);margin-top:14px}"
    "code,.mono{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace}"
    "pre{margin:6px 0 0;padding:12px 14px;background:var(--panel);border-radius:6px;white-space:pre-wrap;"
    "overflow-wrap:anywhere}\n",
    ".plot{display:block;width:100%;height:auto}.plot text{fill:var(--soft);font-size:12.5px;"
    "font-variant-numeric:tabular-nums}"
    ".plot .l{fill:var(--ink);font-size:13px}.plot .g{stroke:var(--line);fill:none;stroke-width:1}"
    ".plot .a{stroke:var(--soft);fill:none;stroke-width:1}"
    ".plot .e{fill:var(--k);font-size:13px;font-weight:500}.plot "
    ".r{stroke:var(--k);stroke-width:1;opacity:.45;fill:none}"
    ".c{fill:none;stroke:var(--k);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".v{stroke:var(--k);stroke-width:1.6;stroke-dasharray:.1 "
    "5;stroke-linecap:round;fill:none}.vr{--k:var(--soft)}.vo{--k:var(--ko)}.c.ko{stroke-dasharray:7 "
    "5}.b{fill:var(--k);opacity:.15}.w{stroke:var(--k);opacity:.4;stroke-width:3;fill:none}.m{fill:var(--k);stroke:var("
    "--paper);stroke-width:1.2}"
    ".k0{--k:var(--k0)}.k1{--k:var(--k1)}.k2{--k:var(--k2)}.k3{--k:var(--k3)}.k4{--k:var(--k4)}.k5{--k:var(--k5)}"
    ".k6{--k:var(--k6)}.k7{--k:var(--k7)}.ko{--k:var(--ko)}"
    "figure{margin:0;min-width:0;max-width:680px;display:flex;flex-direction:column}.wide,.narrow{flex:1;flex-"
    "direction:column;"
    "padding-top:2px}.wide>.legend,.narrow>.legend{margin:0 0 "
    "12px}.wide{display:flex}.plot{margin-top:auto}.narrow{display:none}"
    ".plots{display:grid;gap:36px 44px;grid-template-columns:repeat(auto-fit,minmax(min(100%,470px),1fr))}"
    "div.plots{margin-top:14px}"
    ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 20px;margin:8px 0 0;padding:0;font-size:14px}"
    ".legend li{display:flex;align-items:center;gap:7px}.legend svg{width:34px;height:14px;flex:none}\n",
    ".scroll{overflow-x:auto;margin-top:12px}"
    "table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums;min-width:100%}"
    "th,td{padding:6px 8px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "thead th{font-weight:500;color:var(--soft);border-bottom-color:var(--soft)}"
    "tbody th{text-align:left;font-weight:500;position:sticky;left:0;background:var(--paper)}"
    "thead th:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}"
    "td small{color:var(--soft);font-size:12px;margin-left:4px}td b{font-weight:650}td.words,th.words{text-align:left}"
    "td.long{text-align:left;white-space:normal;min-width:210px}td.none{color:var(--soft)}"
    ".samples{display:grid;gap:28px 36px;grid-template-columns:repeat(auto-fit,minmax(min(100%,450px),1fr));"
    "margin-top:14px}"
    ".cell{display:grid;grid-template-columns:38px 1fr;gap:10px;align-items:center;padding:5px 0;"
    "border-top:1px solid var(--line)}"
    ".cell>span{color:var(--soft);font-size:13px;text-align:right;font-variant-numeric:tabular-nums}"
    ".cell img{display:block;width:100%;height:auto;max-width:560px;image-rendering:pixelated;border-radius:3px}"
    ".texts{display:block;margin-top:14px}.texts>div{margin-bottom:30px}.texts .cell{align-items:start}"
    ".texts p{margin:0 0 6px;max-width:none;white-space:pre-wrap;overflow-wrap:anywhere}.texts "
    "p:last-child{margin:0}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 22px;margin:12px 0 0;font-size:14px}"
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}"
    "footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--line);color:var(--soft);font-size:13px}"
    "@media(max-width:640px){main{padding:26px 16px 48px}h1{font-size:24px}section{margin-top:38px}"
    ".wide{display:none}.narrow{display:flex}dl{grid-template-columns:1fr;gap:0}dd{"
    "margin-bottom:8px}"
    "th,td{padding:6px 8px}tbody th{max-width:44vw;white-space:normal}}"
    "@media print{section{break-inside:avoid}}\n"};

#endif
