"use strict";
/* Charts drawn from the tables in the page: the same rows and columns as the CSV files of `accelsim plot`. */
const SVG = "http://www.w3.org/2000/svg";
const WIDE = 1180;

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function column(table, name) { const at = table.columns.indexOf(name); return table.rows.map((row) => row[at]); }
function sum(values) { return values.reduce((a, b) => a + b, 0); }
function most(values, least) { let found = least; for (const v of values) if (v > found) found = v; return found; }

function short(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(2);
  return Number(value.toPrecision(4)).toLocaleString("en-GB", { maximumFractionDigits: 6 });
}

function bytes(bits) {
  let size = bits / 8, unit = 0;
  const units = ["B", "KiB", "MiB", "GiB"];
  while (size >= 1024 && unit < 3) { size /= 1024; unit += 1; }
  return `${Number(size.toPrecision(4))} ${units[unit]}`;
}

function steps(top) {
  const rough = top / 4, power = 10 ** Math.floor(Math.log10(rough || 1)), scale = rough / power;
  const step = (scale > 5 ? 10 : scale > 2 ? 5 : scale > 1 ? 2 : 1) * power, found = [];
  for (let at = 0; at <= top * 1.0001; at += step) found.push(at);
  return found;
}

function figure(title, key, tints) {
  const caption = element("figcaption", {}, title), tip = element("p", { class: "tip" });
  const legend = element("div", { class: "key" });
  for (const name of key) {
    const entry = element("span", {}, name.replaceAll("_", " "));
    entry.style.setProperty("--c", tints[name]);
    legend.append(entry);
  }
  const frame = element("figure", {}, caption, legend);
  return { frame, caption, tip };
}

function canvas(height, label, width) {
  const svg = shape("svg", { viewBox: `0 0 ${width || WIDE} ${height}`, role: "img", "aria-label": label });
  if (width) svg.style.maxWidth = `${width * 1.1}px`;
  return svg;
}

function axisY(svg, top, unit, box) {
  for (const at of steps(top)) {
    const y = box.bottom - (at / top) * (box.bottom - box.top);
    svg.append(shape("line", { x1: box.left, x2: box.right, y1: y, y2: y, class: "axis" }));
    svg.append(shape("text", { x: box.left - 6, y: y + 4, "text-anchor": "end" }, short(at)));
  }
  svg.append(shape("text", { x: 12, y: (box.top + box.bottom) / 2, "text-anchor": "middle",
    transform: `rotate(-90 12 ${(box.top + box.bottom) / 2})` }, unit));
}

function layerNames(svg, names, box, each) {
  const every = Math.max(1, Math.ceil(names.length / 90));
  names.forEach((name, i) => {
    if (i % every) return;
    const x = box.left + (i + 0.5) * each + 3, text = name.length > 22 ? `${name.slice(0, 21)}…` : name;
    svg.append(shape("text", { x, y: box.bottom + 6, "text-anchor": "end", transform: `rotate(-90 ${x} ${box.bottom + 6})`,
      style: "font-size:9px" }, text));
  });
}

/* A cursor over the layers of a chart: pointer or arrow keys move it, Enter or click opens the layer. */
function browse(svg, tip, names, box, each, describe) {
  const mark = shape("rect", { class: "cursor", y: box.top, height: box.bottom - box.top, width: Math.max(each, 2), visibility: "hidden" });
  svg.append(mark);
  svg.setAttribute("tabindex", "0");
  let at = -1;
  const go = (to) => {
    at = Math.min(names.length - 1, Math.max(0, to));
    mark.setAttribute("x", box.left + at * each);
    mark.setAttribute("visibility", "visible");
    tip.textContent = `${names[at]}: ${describe(at)}`;
  };
  const under = (event) => {
    const area = svg.getBoundingClientRect(), x = ((event.clientX - area.left) / area.width) * WIDE;
    return Math.floor((x - box.left) / each);
  };
  svg.addEventListener("pointermove", (event) => { const i = under(event); if (i >= 0 && i < names.length) go(i); });
  svg.addEventListener("click", (event) => { const i = under(event); if (i >= 0 && i < names.length) openLayer(names[i]); });
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (move !== undefined) { go(move); event.preventDefault(); }
    if (event.key === "Enter" && at >= 0) openLayer(names[at]);
  });
}

function stackChart(title, table, unit, scale, label) {
  const parts = table.columns.slice(1, -1).map((name) => [name.slice(0, -unit.length), column(table, name)]);
  const used = parts.filter(([, values]) => sum(values) > 0).sort((a, b) => sum(b[1]) - sum(a[1]));
  const names = column(table, "layer"), total = column(table, table.columns[table.columns.length - 1]);
  const { frame, tip } = figure(title, used.map(([name]) => name), table.tints);
  const box = { left: 70, right: WIDE - 8, top: 10, bottom: 250 }, svg = canvas(348, title);
  const top = most(total, 1e-30) * scale * 1.02, each = (box.right - box.left) / Math.max(1, names.length);
  axisY(svg, top, label, box);
  const base = names.map(() => 0), tall = box.bottom - box.top;
  for (const [name, values] of used) {
    let path = "";
    values.forEach((value, i) => {
      if (!value) return;
      const high = (value * scale / top) * tall, x = box.left + i * each;
      path += `M${x.toFixed(2)} ${(box.bottom - base[i] - high).toFixed(2)}h${(each * 0.86).toFixed(2)}v${high.toFixed(2)}h${(-each * 0.86).toFixed(2)}z`;
      base[i] += high;
    });
    svg.append(shape("path", { d: path, fill: table.tints[name] }));
  }
  layerNames(svg, names, box, each);
  browse(svg, tip, names, box, each, (i) => `${short(total[i] * scale)} ${label.replace(/.*\[(.*)\]/, "$1")}; ` +
    used.filter(([, v]) => v[i] > 0).sort((a, b) => b[1][i] - a[1][i]).slice(0, 4)
      .map(([name, v]) => `${name.replaceAll("_", " ")} ${(100 * v[i] / total[i]).toFixed(1)} %`).join(", "));
  frame.append(svg, tip);
  return frame;
}

function rankChart(title, names, values, tints, unit, notes) {
  const { frame } = figure(title, [], {});
  const svg = canvas(26 * names.length + 12, title, 640), top = most(values, 1e-30), all = sum(values) || 1;
  names.forEach((name, i) => {
    const y = 8 + 26 * i, long = (values[i] / top) * 230;
    svg.append(shape("text", { x: 142, y: y + 13, "text-anchor": "end" }, name.replaceAll("_", " ")));
    svg.append(shape("rect", { x: 150, y, width: Math.max(0.5, long), height: 18, fill: tints[name] }));
    const note = notes ? notes[i] : "";
    svg.append(shape("text", { x: 156 + long, y: y + 13 }, `${short(values[i])} ${unit}, ${(100 * values[i] / all).toFixed(1)} % ${note}`));
  });
  frame.append(svg);
  return frame;
}

function utilisationChart(table) {
  const names = column(table, "layer"), shares = column(table, "utilisation"), active = column(table, "active_share");
  const tints = { "active PEs": "var(--idle)", utilisation: "#4477aa" };
  const { frame, tip } = figure("Array utilisation per layer", Object.keys(tints), tints);
  const box = { left: 70, right: WIDE - 8, top: 10, bottom: 200 }, svg = canvas(298, "Array utilisation per layer");
  const each = (box.right - box.left) / Math.max(1, names.length);
  axisY(svg, 100, "share of PEs x cycles [%]", box);
  for (const [values, fill] of [[active, "var(--idle)"], [shares, "#4477aa"]]) {
    const path = values.map((v, i) => `M${box.left + i * each} ${box.bottom}h${each * 0.86}v${-v * 190}h${-each * 0.86}z`).join("");
    svg.append(shape("path", { d: path, style: `fill:${fill}` }));
  }
  layerNames(svg, names, box, each);
  browse(svg, tip, names, box, each, (i) => `${(100 * shares[i]).toFixed(1)} % utilisation, ${(100 * active[i]).toFixed(1)} % of PEs active`);
  frame.append(svg, tip);
  return frame;
}

function rooflineChart(tables) {
  const { frame, caption, tip } = figure("Roofline; dot area: share of time", [], {});
  const choice = element("select", { "aria-label": "memory level" });
  for (const level of Object.keys(tables)) choice.append(element("option", { value: level }, level));
  const place = element("div", {});
  caption.append(choice);
  const draw = () => place.replaceChildren(roofline(tables[choice.value], tip));
  choice.addEventListener("change", draw);
  frame.append(place, tip);
  draw();
  return frame;
}

function roofline(table, tip) {
  const svg = canvas(400, "Roofline"), box = { left: 80, right: WIDE - 200, top: 14, bottom: 340 };
  const x = column(table, "intensity_mac_per_byte"), y = column(table, "rate_gmac_per_s"), share = column(table, "share_of_time");
  const names = column(table, "layer"), ops = column(table, "operator"), peak = table.facts.peak_gmac_per_s;
  const slope = table.facts.bandwidth_gbyte_per_s, knee = peak / slope;
  const low = Math.min(...x, knee) / 2, high = most(x, knee) * 2, floor = Math.min(...y, peak) / 2, top = peak * 1.6;
  const px = (v) => box.left + (Math.log(v / low) / Math.log(high / low)) * (box.right - box.left);
  const py = (v) => box.bottom - (Math.log(v / floor) / Math.log(top / floor)) * (box.bottom - box.top);
  for (let e = Math.ceil(Math.log10(low)); e <= Math.log10(high); e += 1) {
    svg.append(shape("line", { x1: px(10 ** e), x2: px(10 ** e), y1: box.top, y2: box.bottom, class: "axis" }));
    svg.append(shape("text", { x: px(10 ** e), y: box.bottom + 16, "text-anchor": "middle" }, short(10 ** e)));
  }
  for (let e = Math.ceil(Math.log10(floor)); e <= Math.log10(top); e += 1) {
    svg.append(shape("line", { x1: box.left, x2: box.right, y1: py(10 ** e), y2: py(10 ** e), class: "axis" }));
    svg.append(shape("text", { x: box.left - 6, y: py(10 ** e) + 4, "text-anchor": "end" }, short(10 ** e)));
  }
  const start = Math.max(low, floor / slope);
  svg.append(shape("path", { d: `M${px(start)} ${py(start * slope)}L${px(knee)} ${py(peak)}L${px(high)} ${py(peak)}`, class: "line" }));
  svg.append(shape("text", { x: (box.left + box.right) / 2, y: box.bottom + 36, "text-anchor": "middle" },
    `operational intensity [MAC / byte at ${table.facts.level}]`));
  svg.append(shape("text", { x: 16, y: 180, "text-anchor": "middle", transform: "rotate(-90 16 180)" }, "rate [GMAC/s]"));
  const kinds = [...new Set(ops)].sort(), tint = (op) => PALETTE[kinds.indexOf(op) % PALETTE.length];
  kinds.forEach((op, i) => {
    svg.append(shape("circle", { cx: box.right + 24, cy: 30 + 20 * i, r: 6, fill: tint(op) }));
    svg.append(shape("text", { x: box.right + 36, y: 34 + 20 * i }, op));
  });
  names.map((_, i) => i).sort((a, b) => share[b] - share[a]).forEach((i) => {
    const dot = shape("circle", { cx: px(x[i]), cy: py(y[i]), r: Math.max(2, 60 * Math.sqrt(share[i] / Math.PI)), fill: tint(ops[i]),
      "fill-opacity": 0.65, stroke: "currentColor", "stroke-width": 0.5 });
    dot.addEventListener("pointerenter", () => {
      tip.textContent = `${names[i]}: ${short(x[i])} MAC/B, ${short(y[i])} GMAC/s, ${(100 * share[i]).toFixed(1)} % of the time`;
    });
    dot.addEventListener("click", () => openLayer(names[i]));
    svg.append(dot);
  });
  return svg;
}

/* Dark blue to yellow, as the cividis map of the figures; `t` from 0 to 1. */
function heat(t) {
  const stops = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 143, 120], [200, 184, 102], [254, 232, 56]];
  const at = Math.min(4.999, Math.max(0, t * 5)), i = Math.floor(at), part = at - i;
  return `rgb(${stops[i].map((v, k) => Math.round(v + (stops[i + 1][k] - v) * part)).join(",")})`;
}

function cells(svg, boxes) {
  const paths = new Map();
  for (const [x, y, w, h, t] of boxes) {
    const fill = heat(Math.round(t * 40) / 40);
    paths.set(fill, (paths.get(fill) || "") + `M${x.toFixed(2)} ${y.toFixed(2)}h${w.toFixed(2)}v${h.toFixed(2)}h${(-w).toFixed(2)}z`);
  }
  for (const [fill, d] of paths) svg.append(shape("path", { d, fill }));
}

function resourceChart(table) {
  const { frame, tip } = figure("Busy share of each resource (dark 0 %, yellow 100 % of the layer's cycles)", [], {});
  const names = column(table, "layer"), cycles = column(table, "cycles"), kinds = table.columns.slice(1, -1);
  const box = { left: 150, right: WIDE - 8, top: 8, bottom: 8 + 30 * kinds.length }, svg = canvas(box.bottom + 98, "Busy resources per layer");
  const each = (box.right - box.left) / Math.max(1, names.length), values = kinds.map((kind) => column(table, kind));
  cells(svg, kinds.flatMap((_, r) => values[r].map((v, i) => [box.left + i * each, box.top + 30 * r, each * 0.98, 29, v / cycles[i]])));
  kinds.forEach((kind, r) => svg.append(shape("text", { x: box.left - 8, y: box.top + 30 * r + 19, "text-anchor": "end" },
    kind.replace("_busy_cycles", ""))));
  layerNames(svg, names, box, each);
  browse(svg, tip, names, box, each, (i) => kinds.map((kind, r) =>
    `${kind.replace("_busy_cycles", "")} ${(100 * values[r][i] / cycles[i]).toFixed(0)} %`).join(", "));
  frame.append(svg, tip);
  return frame;
}

function occupancyChart(table) {
  const operands = [...new Set(column(table, "operand"))].sort(), clock = table.facts.clock_hz;
  const memories = Object.keys(table.facts).filter((k) => k.endsWith("_capacity_bits")).map((k) => k.replace("_capacity_bits", ""));
  const { frame } = figure("Occupancy of on-chip memories: the most each layer reserves while it runs", operands, table.tints);
  const svg = canvas(170 * memories.length + 30, "Occupancy"), end = most(column(table, "end_cycle"), 1);
  memories.forEach((memory, m) => {
    const box = { left: 80, right: WIDE - 8, top: 20 + 170 * m, bottom: 160 + 170 * m }, capacity = table.facts[`${memory}_capacity_bits`];
    const rows = table.rows.filter((row) => row[1] === memory), px = (c) => box.left + (c / end) * (box.right - box.left);
    const edges = [...new Set(rows.flatMap((row) => [row[3], row[4]]))].sort((a, b) => a - b), place = new Map(edges.map((e, i) => [e, i]));
    const base = edges.map(() => 0);
    axisY(svg, capacity / 8192, `${memory} [KiB]`, box);
    for (const operand of operands) {
      const add = edges.map(() => 0);
      for (const row of rows) if (row[2] === operand) for (let i = place.get(row[3]); i < place.get(row[4]); i += 1) add[i] += row[5];
      let path = "";
      for (let i = 0; i + 1 < edges.length; i += 1) {
        if (!add[i]) continue;
        const y0 = box.bottom - (base[i] / capacity) * 140, high = (add[i] / capacity) * 140, wide = px(edges[i + 1]) - px(edges[i]);
        path += `M${px(edges[i]).toFixed(2)} ${(y0 - high).toFixed(2)}h${wide.toFixed(2)}v${high.toFixed(2)}h${(-wide).toFixed(2)}z`;
        base[i] += add[i];
      }
      svg.append(shape("path", { d: path, fill: table.tints[operand] }));
    }
    svg.append(shape("line", { x1: box.left, x2: box.right, y1: box.top, y2: box.top, class: "line", "stroke-dasharray": "5 4" }));
  });
  const foot = 170 * memories.length + 22;
  for (const t of steps(end / clock * 1e3)) svg.append(shape("text", { x: 80 + (t * clock / 1e3 / end) * (WIDE - 88), y: foot - 4, "text-anchor": "middle" }, short(t)));
  svg.append(shape("text", { x: 12, y: foot - 4 }, "time [ms]"));
  frame.append(svg);
  return frame;
}

function peBoxes(table, layer) {
  const rows = layer === null ? table.rows : table.rows.filter((row) => row[0] === layer);
  const cycles = new Map(rows.map((row) => [row[0], row[1]])), whole = sum([...cycles.values()]) || 1;
  const tall = table.facts.array_rows, wide = table.facts.array_cols, work = new Float64Array(tall * wide);
  for (const [, , r, c, h, w, macs] of rows) for (let i = r; i < r + h; i += 1) for (let j = c; j < c + w; j += 1) work[i * wide + j] += macs / whole;
  return { tall, wide, work };
}

function peChart(table, layer, title) {
  const { frame } = figure(title, [], {}), { tall, wide, work } = peBoxes(table, layer), peak = most(work, 1e-30);
  const size = 300, svg = canvas(size + 50, title, 430), dx = size / wide, dy = size / tall, boxes = [];
  svg.append(shape("rect", { x: 50, y: 6, width: size, height: size, class: "idle" }));
  for (let i = 0; i < tall; i += 1) {
    let from = 0;
    for (let j = 1; j <= wide; j += 1) {
      if (j < wide && work[i * wide + j] === work[i * wide + from]) continue;
      const value = work[i * wide + from];
      if (value) boxes.push([50 + from * dx, 6 + i * dy, (j - from) * dx, dy, value / peak]);
      from = j;
    }
  }
  cells(svg, boxes);
  svg.append(shape("text", { x: 200, y: size + 24, "text-anchor": "middle" }, `column of PEs (0 to ${wide - 1})`));
  svg.append(shape("text", { x: 30, y: 156, "text-anchor": "middle", transform: "rotate(-90 30 156)" }, `row of PEs (0 to ${tall - 1})`));
  const mean = sum([...work]) / (tall * wide);
  svg.append(shape("text", { x: 8, y: size + 42, class: "soft" },
    `yellow: ${(100 * peak).toFixed(1)} % of cycles with a MAC; mean ${(100 * mean).toFixed(1)} %; grey: idle`));
  frame.append(svg);
  return frame;
}

function graphChart(table) {
  const bounds = column(table, "bound"), kinds = [...new Set(bounds)];
  const { frame, tip } = figure("Layers by what bounds them; dot area: share of time; order runs down, then up", kinds, table.tints);
  const xs = column(table, "x"), ys = column(table, "y"), names = column(table, "layer"), cycles = column(table, "cycles");
  const dx = Math.min(110, (WIDE - 60) / (most(xs, 1) + 1)), dy = 30, svg = canvas(dy * (most(ys, 1) + 1) + 20, "Layer graph");
  const spot = new Map(names.map((name, i) => [name, [30 + xs[i] * dx, 16 + ys[i] * dy]])), whole = sum(cycles) || 1;
  let path = "";
  column(table, "reads").forEach((reads, i) => {
    for (const source of reads.split(" ").filter(Boolean)) {
      const [ax, ay] = spot.get(source), [bx, by] = spot.get(names[i]), far = Math.abs(ax - bx) + Math.abs(ay - by) > 1.05 * dy;
      path += far ? `M${ax} ${ay}Q${(ax + bx) / 2 + 14} ${(ay + by) / 2} ${bx} ${by}` : `M${ax} ${ay}L${bx} ${by}`;
    }
  });
  svg.append(shape("path", { d: path, class: "edge" }));
  names.forEach((name, i) => {
    const [x, y] = spot.get(name), dot = shape("circle", { cx: x, cy: y, r: 3 + 36 * Math.sqrt(cycles[i] / whole / Math.PI), fill: table.tints[bounds[i]],
      stroke: "currentColor", "stroke-width": 0.5 });
    dot.addEventListener("pointerenter", () => { tip.textContent = `${name}: bound by ${bounds[i]}, ${(100 * cycles[i] / whole).toFixed(1)} % of the time`; });
    dot.addEventListener("click", () => openLayer(name));
    svg.append(dot);
  });
  frame.append(svg, tip);
  return frame;
}

function machineChart(table) {
  const operands = ["Inputs", "Weights", "Outputs"], { frame } = figure("Machine, with the network's traffic on every link", operands, table.tints);
  const blocks = table.rows.filter((row) => row[0] === "block"), links = table.rows.filter((row) => row[0] === "link");
  const far = most(blocks.map((b) => b[5]), 0), deep = most(blocks.map((b) => b[6]), 0), gap = far ? (WIDE - 190) / far : 0;
  const svg = canvas(130 * (deep + 1) + 40, "Block diagram");
  const spot = new Map(blocks.map((b) => [b[1], [10 + b[5] * gap, 40 + 130 * b[6]]]));
  const widest = most(links.flatMap((l) => [l[7], l[8]]), 1), pairs = new Map();
  for (const [, from, to, operand, , , , down, up] of links) {
    const key = `${from} > ${to}`;
    if (!pairs.has(key)) pairs.set(key, { from, to, flows: [] });
    const { flows } = pairs.get(key);
    if (down) flows.push([operand, down, "→"]);
    if (up) flows.push([operand, up, "←"]);
  }
  for (const { from, to, flows } of pairs.values()) {
    const [ax, ay] = spot.get(from), [bx, by] = spot.get(to);
    flows.forEach(([operand, bits, way], i) => {
      const lift = 50 + 26 * (i - (flows.length - 1) / 2), x0 = ax + 170, y0 = ay + lift, x1 = bx, y1 = by + lift, mx = x0 + (x1 - x0) * (x1 - x0 > gap ? 0.25 : y0 === y1 ? 0.5 : 0.75);
      const bow = x1 - x0 > gap && y0 === y1 ? 62 : 0, middle = bow ? (x0 + x1) / 2 : mx;
      svg.append(shape("path", { d: `M${x0} ${y0}Q${(x0 + x1) / 2} ${(y0 + y1) / 2 - 2 * bow} ${x1} ${y1}`, fill: "none", stroke: table.tints[operand],
        "stroke-width": 1 + 7 * bits / widest }));
      svg.append(shape("text", { x: middle, y: y0 + (y1 - y0) * ((middle - x0) / (x1 - x0)) - 5 - bow, "text-anchor": "middle" }, `${operand} ${bytes(bits)} ${way}`));
    });
  }
  for (const [, name, , , text] of blocks) {
    const [x, y] = spot.get(name);
    svg.append(shape("rect", { x, y, width: 170, height: 100, rx: 8, class: "box" }));
    svg.append(shape("text", { x: x + 85, y: y + 22, "text-anchor": "middle", style: "font-weight:600;font-size:13px" }, name));
    text.split("\n").forEach((part, i) => svg.append(shape("text", { x: x + 85, y: y + 44 + 17 * i, "text-anchor": "middle" }, part)));
  }
  frame.append(svg);
  return frame;
}

/* The film strip as an animation: play, pause, step; the arrow keys step while it has the focus. */
function filmChart(table) {
  const { frame, caption } = figure(`First cycles of ${table.facts.layer} on the array (${table.facts.rows_shown} x ${table.facts.cols_shown} corner)`, [], {});
  const rows = table.facts.rows_shown, cols = table.facts.cols_shown, last = most(column(table, "cycle"), 0), size = 130;
  const svg = canvas(rows * 74 + 10, "Film of the array", cols * size + 10), text = element("span", { role: "status" });
  const [kept, right, down] = table.columns.slice(3, 6).map((name) => name.split(": ")[1]);
  const play = element("button", { type: "button" }, "Play"), back = element("button", { type: "button" }, "Back"), next = element("button", { type: "button" }, "Next");
  const fills = { MAC: "#2288334d", loading: "#ccbb4480", idle: "transparent" };
  let at = 0, timer = 0;
  const draw = () => {
    svg.replaceChildren();
    text.textContent = `cycle ${at} of ${last}`;
    for (const [cycle, r, c, stays, moves, falls, does] of table.rows) {
      if (cycle !== at) continue;
      svg.append(shape("rect", { x: 5 + c * size, y: 5 + r * 74, width: size - 4, height: 70, class: "box" }));
      svg.append(shape("rect", { x: 5 + c * size, y: 5 + r * 74, width: size - 4, height: 70, fill: fills[does] }));
      [[stays, "", kept], [moves, "→ ", right], [falls, "↓ ", down]].forEach(([word, mark, operand], i) => {
        if (word) svg.append(shape("text", { x: 3 + (c + 0.5) * size, y: 25 + r * 74 + 20 * i, "text-anchor": "middle" }, `${mark}${operand[0]} ${word}`));
      });
    }
  };
  const go = (to) => { at = (to + last + 1) % (last + 1); draw(); };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  play.addEventListener("click", () => { if (timer) { stop(); return; } play.textContent = "Pause"; timer = setInterval(() => go(at + 1), 900); });
  back.addEventListener("click", () => { stop(); go(at - 1); });
  next.addEventListener("click", () => { stop(); go(at + 1); });
  caption.append(back, play, next, text);
  const names = [kept, right, down].map((name) => `${name[0]}: ${name}[${table.facts[`${name}_index`]}]`).join("; ");
  const key = element("p", { class: "soft" }, `${names}. First line: kept in the PE; →, ↓: moving. Green: MAC, yellow: loading.`);
  frame.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") { stop(); go(at + 1); }
    if (event.key === "ArrowLeft") { stop(); go(at - 1); }
  });
  svg.style.maxWidth = `${cols * size}px`;
  frame.append(svg, key);
  draw();
  return frame;
}
