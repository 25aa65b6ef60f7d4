"use strict";
/* The page: data, theme, the table (sort, filter), the layer dialog, and the state in the address' fragment. */
const DATA = JSON.parse(document.getElementById("data").textContent);
const PALETTE = DATA.palette;
const BY_NAME = new Map(DATA.layers.map((layer) => [layer.name, layer]));
const COLUMNS = [
  ["order", "#", (l, i) => i + 1, (v) => v],
  ["name", "layer", (l) => l.name, (v) => v],
  ["op", "operator", (l) => l.op, (v) => v],
  ["shape", "output", (l) => l.shape, (v) => v],
  ["macs", "MACs", (l) => l.macs, (v) => v.toLocaleString("en-GB")],
  ["params", "parameters", (l) => l.params, (v) => v.toLocaleString("en-GB")],
  ["cycles", "cycles", (l) => l.cycles, (v) => v.toLocaleString("en-GB")],
  ["time", "time [%]", (l) => 100 * l.cycles / DATA.cycles, (v) => v.toFixed(2)],
  ["util", "utilisation [%]", (l) => 100 * l.util, (v) => v.toFixed(1)],
  ["energy", "energy [µJ]", (l) => l.energy_fj / 1e9, (v) => short(v)],
  ["dram", "DRAM [KiB]", (l) => l.dram_bits / 8192, (v) => short(v)],
  ["bound", "bound by", (l) => l.bound, (v) => v],
];
const TEXT = new Set(["name", "op", "shape", "bound"]);
const state = { sort: "order", dir: "ascending", filter: "", layer: "", theme: "" };
const rows = DATA.layers.map((layer, i) => ({ layer, values: Object.fromEntries(COLUMNS.map(([key, , value]) => [key, value(layer, i)])) }));
const dialog = document.getElementById("layer");

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(state)) if (given.has(key)) state[key] = given.get(key);
  const known = COLUMNS.find(([key]) => key === state.sort);
  if (!known) state.sort = "order";
  if (given.has("sort") && !given.has("dir")) state.dir = TEXT.has(state.sort) || state.sort === "order" ? "ascending" : "descending";
  if (state.dir !== "descending") state.dir = "ascending";
}

function writeHash() {
  const keep = new URLSearchParams();
  if (state.sort !== "order" || state.dir !== "ascending") { keep.set("sort", state.sort); keep.set("dir", state.dir); }
  for (const key of ["filter", "layer", "theme"]) if (state[key]) keep.set(key, state[key]);
  history.replaceState(null, "", `#${keep}`);
}

function applyTheme() {
  if (state.theme === "dark" || state.theme === "light") document.documentElement.dataset.theme = state.theme;
  const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const button = document.getElementById("theme");
  button.textContent = dark ? "Light" : "Dark";
  button.setAttribute("aria-pressed", String(dark));
}

function makeHead() {
  const line = element("tr", {});
  for (const [key, name] of COLUMNS) {
    const button = element("button", { type: "button", "data-sort": key }, name);
    button.addEventListener("click", () => {
      const numbers = !TEXT.has(key) && key !== "order";
      if (state.sort === key) state.dir = state.dir === "ascending" ? "descending" : "ascending";
      else { state.sort = key; state.dir = numbers ? "descending" : "ascending"; }
      showTable();
      writeHash();
    });
    line.append(element("th", { scope: "col", class: TEXT.has(key) ? "l" : "", "data-key": key }, button));
  }
  document.querySelector("#table thead").append(line);
}

/* Every word of the filter must stand in a layer's name, operator, unit, bound or output. */
function matches(layer, words) {
  const text = `${layer.name} ${layer.op} ${layer.unit} ${layer.bound} ${layer.shape}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

function showTable() {
  for (const head of document.querySelectorAll("#table th")) {
    head.setAttribute("aria-sort", head.dataset.key === state.sort ? state.dir : "none");
  }
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean), sign = state.dir === "ascending" ? 1 : -1;
  const shown = rows.filter((row) => matches(row.layer, words)).sort((a, b) => {
    const x = a.values[state.sort], y = b.values[state.sort];
    const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return sign * order || a.values.order - b.values.order;
  });
  const body = document.querySelector("#table tbody");
  body.replaceChildren(...shown.map((row, i) => {
    row.line ??= makeRow(row);
    row.line.tabIndex = i === 0 ? 0 : -1;
    return row.line;
  }));
  document.getElementById("count").textContent = `${shown.length} of ${rows.length} layers`;
}

function makeRow(row) {
  const line = element("tr", { "data-layer": row.layer.name });
  for (const [key, , , text] of COLUMNS) line.append(element("td", { class: TEXT.has(key) ? "l" : "" }, String(text(row.values[key]))));
  return line;
}

function tableOf(head, body) {
  const table = element("table", {}), top = element("tr", {});
  head.forEach((name, i) => top.append(element("th", { scope: "col", class: i < 2 ? "l" : "" }, name)));
  table.append(element("thead", {}, top), element("tbody", {}, ...body.map((cells) =>
    element("tr", {}, ...cells.map((cell, i) => element("td", { class: i < 2 ? "l" : "" }, String(cell)))))));
  return element("div", { class: "scroll" }, table);
}

function shares(entries, unit, scale) {
  const all = sum(entries.map((entry) => entry[entry.length - 1])) || 1;
  return entries.filter((entry) => entry[entry.length - 1] > 0).sort((a, b) => b[b.length - 1] - a[a.length - 1])
    .map((entry) => [...entry.slice(0, -1).map((word) => word.replaceAll("_", " ")),
      `${short(entry[entry.length - 1] * scale)} ${unit}`, `${(100 * entry[entry.length - 1] / all).toFixed(1)} %`]);
}

function section(title, ...content) { return element("section", {}, element("h3", {}, title), ...content); }

function openLayer(name) {
  const layer = BY_NAME.get(name);
  if (!layer) return;
  state.layer = name;
  writeHash();
  const close = element("button", { type: "button" }, "Close"), at = DATA.layers.indexOf(layer);
  const step = (by, text) => {
    const button = element("button", { type: "button" }, text);
    button.disabled = !DATA.layers[at + by];
    button.addEventListener("click", () => openLayer(DATA.layers[at + by].name));
    return button;
  };
  close.addEventListener("click", () => dialog.close());
  const title = element("h2", { id: "layer-title" }, layer.name);
  const parts = [
    element("div", { class: "bar" }, title, step(-1, "Previous"), step(1, "Next"), close),
    element("p", {}, `${layer.op} on the ${layer.unit === "view" ? "memory map (a view)" : layer.unit}, output ${layer.shape}; ` +
      `${layer.macs.toLocaleString("en-GB")} MACs, ${layer.cycles.toLocaleString("en-GB")} cycles from ${layer.start.toLocaleString("en-GB")}, ` +
      `${short(layer.energy_fj / 1e9)} µJ; bound by ${layer.bound}.`),
    element("p", { id: "layer-note" }, layer.note),
  ];
  if (layer.folded.length) parts.push(element("p", { class: "soft" }, `Folded into it: ${layer.folded.join(", ")}.`));
  if (layer.formula.length) parts.push(section("Formula", element("pre", { id: "layer-formula" }, layer.formula.join("\n"))));
  parts.push(section("Loop nest", element("pre", { id: "layer-nest" }, layer.mapping || "none: it runs on the vector unit in chunks, or moves nothing")));
  const pair = element("div", { class: "pair" });
  if (layer.cycles) {
    pair.append(section("Time", tableOf(["cause", "time", "share"], shares(layer.causes, "µs", 1e6 / DATA.clock_hz))));
    pair.append(section("Energy", tableOf(["component", "operand", "energy", "share"], shares(layer.energy, "nJ", 1e-6))));
    pair.append(section("Traffic over links", tableOf(["link", "operand", "down", "up"], layer.links.map(([a, b, d, u]) => [a, b, bytes(d), bytes(u)]))));
    pair.append(section("Traffic by level", tableOf(["level", "operand", "read", "written"], layer.traffic.map(([a, b, r, w]) => [a, b, bytes(r), bytes(w)]))));
    pair.append(section("Held on chip", tableOf(["memory", "operand", "bytes"], layer.held.map(([a, b, h]) => [a, b, bytes(h)]))));
  }
  const map = DATA.tables.pe_map;
  if (map && map.rows.some((row) => row[0] === name)) pair.append(section("PEs at work", peChart(map, name, `PEs at work in ${name}`)));
  parts.push(pair);
  document.getElementById("layer-body").replaceChildren(...parts);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  close.focus();
}

function makeCharts() {
  const place = document.getElementById("charts"), t = DATA.tables;
  const list = [
    () => stackChart("Time per layer by cause", t.latency, "_cycles", 1e6 / DATA.clock_hz, "time [µs]"),
    () => stackChart("Energy per layer by component", t.energy, "_fj", 1e-9, "energy [µJ]"),
    () => stackChart("Energy per layer by component and operand", t.energy_operand, "_fj", 1e-9, "energy [µJ]"),
    () => networkCharts(t),
    () => Object.keys(DATA.rooflines).length && rooflineChart(DATA.rooflines),
    () => t.utilisation && utilisationChart(t.utilisation),
    () => resourceChart(t.resources),
    () => occupancyChart(t.occupancy),
    () => machineChart(t.machine),
    () => graphChart(t.graph),
    () => t.film && filmChart(t.film),
  ];
  const draw = () => {
    for (const make of list.splice(0, 2)) { const found = make(); if (found) place.append(found); }
    if (list.length) setTimeout(draw, 0); else document.body.dataset.ready = "yes";
  };
  draw();
}

function networkCharts(t) {
  const pair = element("div", { class: "pair" }), components = [...new Set(column(t.energy_network, "component"))];
  const sums = components.map((c) => sum(t.energy_network.rows.filter((row) => row[0] === c).map((row) => row[2])) * 1e-12);
  const order = components.map((_, i) => i).filter((i) => sums[i] > 0).sort((a, b) => sums[b] - sums[a]);
  const range = order.map((i) => { const row = t.energy_network.rows.find((r) => r[0] === components[i]); return `(${short(sums[i] * row[3] / 1e3)} to ${short(sums[i] * row[4] / 1e3)})`; });
  const scale = 1e3 / DATA.clock_hz;
  pair.append(rankChart("Time of the network by cause", column(t.latency_network, "cause"), column(t.latency_network, "cycles").map((c) => c * scale), t.latency_network.tints, "ms"));
  pair.append(rankChart("Energy of the network, with ranges", order.map((i) => components[i]), order.map((i) => sums[i]), t.energy_network.tints, "mJ", range));
  if (t.pe_map) pair.append(peChart(t.pe_map, null, "PEs at work, all array layers"));
  return pair;
}

document.getElementById("theme").addEventListener("click", () => {
  const dark = document.getElementById("theme").getAttribute("aria-pressed") === "true";
  state.theme = dark ? "light" : "dark";
  applyTheme();
  writeHash();
});
document.getElementById("filter").addEventListener("input", (event) => { state.filter = event.target.value; showTable(); writeHash(); });
document.querySelector("#table tbody").addEventListener("click", (event) => {
  const line = event.target.closest("tr[data-layer]");
  if (line) openLayer(line.dataset.layer);
});
document.querySelector("#table tbody").addEventListener("keydown", (event) => {
  const line = event.target.closest("tr[data-layer]");
  if (!line) return;
  if (event.key === "Enter" || event.key === " ") { openLayer(line.dataset.layer); event.preventDefault(); return; }
  const body = line.parentElement, to = { ArrowDown: line.nextElementSibling, ArrowUp: line.previousElementSibling,
    Home: body.firstElementChild, End: body.lastElementChild }[event.key];
  if (to) { line.tabIndex = -1; to.tabIndex = 0; to.focus(); event.preventDefault(); }
});
dialog.addEventListener("close", () => {
  const line = [...document.querySelectorAll("#table tbody tr")].find((row) => row.dataset.layer === state.layer);
  state.layer = "";
  writeHash();
  if (line) line.focus();
});
function show() {
  readHash();
  applyTheme();
  document.getElementById("filter").value = state.filter;
  showTable();
  if (state.layer) openLayer(state.layer); else if (dialog.open) dialog.close();
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
addEventListener("hashchange", show);
makeHead();
show();
makeCharts();
