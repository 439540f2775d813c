"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
// A column that is a text and not a list is that of every row.
const rows = (columns) => {
  const names = Object.keys(columns), long = names.find((name) => Array.isArray(columns[name]));
  const cell = (name, i) => (Array.isArray(columns[name]) ? columns[name][i] : columns[name]);
  return (columns[long] ?? []).map((_, i) => Object.fromEntries(names.map((name) => [name, cell(name, i)])));
};
const font = getComputedStyle(document.body).fontFamily;
const config = {
  background: null, font, padding: { left: 0, right: 0, top: 6, bottom: 2 }, view: { stroke: null }, aria: false,
  axis: {
    labelColor: "var(--muted)", titleColor: "var(--muted)", titleFontWeight: "normal", labelFontSize: 12,
    titleFontSize: 12, domain: false, ticks: false, gridColor: "var(--rule)", labelPadding: 6, labelOverlap: "greedy",
  },
  axisX: { domain: true, domainColor: "var(--rule)", tickColor: "var(--rule)", ticks: true, tickSize: 4, labelPadding: 3 },
};
// `ast` makes Vega interpret its expressions, so that the page needs no permission to evaluate text as code.
const options = {
  mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false, config,
  tooltip: { disableDefaultStyle: true },
};
// The titles of axes and hints, and the columns that hold words, in the reader's language.
const spoken = (spec) => {
  if (Array.isArray(spec)) return spec.map(spoken);
  if (!spec || typeof spec !== "object") return spec;
  const part = ([key, value]) => [key, key === "title" && typeof value === "string" ? language.said(value) : spoken(value)];
  return Object.fromEntries(Object.entries(spec).map(part));
};
const saidIn = (columns, names) => {
  const column = (value) => (Array.isArray(value) ? value.map((text) => (text ? language.said(text) : text)) : value);
  return Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, names.includes(name) ? column(value) : value]));
};
const views = {}, tables = {};
const draw = async ([id, chart]) => {
  const place = document.getElementById(id);
  const table = ([name, columns]) => [name, rows(saidIn(columns, chart.said))];
  const datasets = Object.fromEntries(Object.entries(chart.data).map(table));
  try {
    views[id]?.finalize();
    const { view } = await vegaEmbed(place, { ...spoken(chart.spec), datasets }, options);
    views[id] = view;
    tables[id] = datasets;
    if (place.dataset.drawn !== "yes") place.closest("figure")?.append(language.say(saving(place)));
    place.dataset.drawn = "yes";
    await shown(id);
  } catch (error) {
    place.textContent = language.said("This chart could not be drawn.");
    console.error(id, error);
  }
};
const drawAll = async () => {
  await Promise.all(Object.entries(charts).map(draw));
  document.documentElement.dataset.ready = "yes";
};
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));

const element = (name, attributes, ...children) => {
  const made = document.createElement(name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  made.append(...children);
  return made;
};

// What a key shows and hides: the rows of the chart's data whose series it names.
const shown = async (id) => {
  const off = new Set([...document.querySelectorAll(`button[data-chart="${id}"][aria-pressed="false"]`)].map((b) => b.dataset.series));
  const view = views[id];
  if (!off.size && !Object.values(tables[id]).some((all) => all.shown)) return;
  view.logLevel(1);  // else it complains of the scale of a curve that is not there
  for (const [name, all] of Object.entries(tables[id])) {
    if (all.some((row) => off.has(row.series)) || all.shown) {
      all.shown = true;
      view.data(name, all.filter((row) => !off.has(row.series)));
    }
  }
  await view.runAsync();
};
document.querySelectorAll("button[data-series]").forEach((button) => button.addEventListener("click", () => {
  if (!views[button.dataset.chart]) return;
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  shown(button.dataset.chart);
}));

// A chart as a file: its SVG with the page's colours written out, or that drawn at three pixels a point.
const written = (place) => {
  const svg = place.querySelector("svg").cloneNode(true), style = getComputedStyle(document.documentElement);
  const box = place.querySelector("svg").getBoundingClientRect();
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("width", box.width);
  svg.setAttribute("height", box.height);
  const back = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  Object.entries({ width: "100%", height: "100%", fill: "var(--paper)" }).forEach(([k, v]) => back.setAttribute(k, v));
  svg.prepend(back);
  const text = new XMLSerializer().serializeToString(svg);
  return { box, text: text.replace(/var\((--[a-z-]+)\)/g, (_, name) => style.getPropertyValue(name).trim()) };
};
const keep = (name, href) => element("a", { download: name, href }).click();
const address = (text) => `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
const saving = (place) => {
  const name = `${document.title.split(" · ")[0].replace(/[^\p{L}\p{N}_-]+/gu, "-")}-${place.id.replace("chart-", "")}`;
  const heading = place.closest("figure").querySelector("h3"), title = heading ? language.read(heading) : "chart";
  const svg = element("button", { type: "button", "aria-label": `Save as SVG: ${title}` }, "SVG");
  svg.addEventListener("click", () => keep(`${name}.svg`, address(written(place).text)));
  const png = element("button", { type: "button", "aria-label": `Save as PNG: ${title}` }, "PNG");
  png.addEventListener("click", () => {
    const { box, text } = written(place), image = new Image();
    image.onload = () => {
      const canvas = element("canvas", { width: Math.ceil(box.width * 3), height: Math.ceil(box.height * 3) });
      const context = canvas.getContext("2d");
      context.scale(3, 3);
      context.drawImage(image, 0, 0, box.width, box.height);
      keep(`${name}.png`, canvas.toDataURL("image/png"));
    };
    image.src = address(text);
  });
  return element("p", { class: "saving" }, svg, png);
};

// Tables sort by a click on a head, and are filtered where they are long.
const worth = (cell) => {
  const text = (cell?.textContent ?? "").trim().replaceAll("−", "-").replaceAll(",", "");
  const number = /^[+-]?\d*\.?\d+(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?/.exec(text);
  if (!number) return text === "–" || text === "" ? null : text.toLowerCase();
  const [mantissa, power] = number[0].split(" × 10");
  const plain = (power ?? "").replace(/./g, (c) => ("⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c) < 0 ? "-" : "⁰¹²³⁴⁵⁶⁷⁸⁹".indexOf(c)));
  return Number(mantissa) * 10 ** Number(plain || 0);
};
const order = (a, b) => {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
  return typeof a === "number" ? -1 : 1;
};
document.querySelectorAll(".frame:not(.confusion) > table").forEach((table) => {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  if (body.rows.length < 3) return;
  heads.forEach((head, place) => {
    if (!head.textContent.trim()) return;
    const button = element("button", { type: "button", class: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const found = [...body.rows].map((row) => [worth(row.cells[place]), row]);
      found.sort(([a], [b]) => (down && a !== null && b !== null ? -order(a, b) : order(a, b)));
      body.append(...found.map(([, row]) => row));
    });
  });
  if (body.rows.length <= 15) return;
  const name = language.read(table.caption);
  const field = element("input", { type: "search", placeholder: "Filter", "aria-label": `Filter: ${name}`, class: "filter" });
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    [...body.rows].forEach((row) => { row.hidden = !row.textContent.toLowerCase().includes(wanted); });
  });
  table.parentElement.before(language.say(field));
});
drawAll();
language.changed(drawAll);
