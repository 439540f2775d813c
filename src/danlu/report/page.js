"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const rows = (columns) => {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]])));
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
const drawn = Object.entries(charts).map(async ([id, chart]) => {
  const place = document.getElementById(id);
  const datasets = Object.fromEntries(Object.entries(chart.data).map(([name, columns]) => [name, rows(columns)]));
  try {
    await vegaEmbed(place, { ...chart.spec, datasets }, options);
    place.dataset.drawn = "yes";
  } catch (error) {
    place.textContent = "This chart could not be drawn.";
    console.error(id, error);
  }
});
Promise.all(drawn).then(() => { document.documentElement.dataset.ready = "yes"; });
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
