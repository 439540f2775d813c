"use strict";
// What came from the run is written as text (textContent), never as markup.
const by = (id) => document.getElementById(id);
const LONG = 2000, MOST = 300, HEIGHT = 260, LEFT = 52, RIGHT = 10, TOP = 8, BOTTOM = 34;
let spoken = "", rounds = [], state = "connecting", last = null, source = null, asked = false;

const short = (v) => {
  const size = Math.abs(v);
  if (size >= 100000) return new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(v);
  if (size >= 100) return new Intl.NumberFormat("en", { maximumFractionDigits: 0 }).format(v);
  if (size > 0 && size < 0.001) return v.toExponential(1);
  return String(Number(v.toPrecision(3)));
};
const whole = (n) => new Intl.NumberFormat("en").format(n);
const count = (n, one, many) => `${whole(n)} ${n === 1 ? one : many || one + "s"}`;
const clock = (seconds) => {
  const s = Math.ceil(seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
};

// Each training of a run (a setting, a wave of networks, the refit) is a round with curves of its own.
function round(e) {
  const now = rounds[rounds.length - 1];
  const goesOn = now && now.stage === e.stage && now.wave === e.wave && e.read >= now.read;
  if (goesOn) { now.read = e.read; return now; }
  const next = { stage: e.stage, wave: e.wave, read: e.read, all: e.members, networks: e.networks, loss: [], metric: [] };
  next.judged = 0;
  rounds.push(next);
  return next;
}

function take(e) {
  if (e.event === "begun") { rounds = []; last = null; set("running"); by("end").hidden = true; return; }
  if (e.event === "about") { about(e); return; }
  if (e.event === "progress") {
    last = e;
    if (e.read === undefined) return;
    const r = round(e);
    r.epochs = e.epochs;
    r.metricName = e.metric_name || r.metricName;
    r.loss.push({ x: e.read, y: e.loss });
    if (e.judged > r.judged && e.metric) { r.judged = e.judged; r.metric.push({ x: e.judged, y: e.metric }); }
    return;
  }
  if (e.event === "saved") { set("saved"); stop(); location.reload(); return; }
  if (e.event === "failed") { end("failed", `The run failed: ${e.text}`); return; }
  if (e.event === "killed") {
    const where = last && last.epoch ? `, in epoch ${whole(last.epoch)} of ${whole(last.epochs)}` : "";
    end("killed", `The process that trained is gone${where}, without a word: it was killed, or the machine stopped. ` +
      "Nothing of this run was saved; its curves are below.");
    return;
  }
  if (e.event === "nothing") end("nothing", "There is neither a run nor a model of this name any more.");
}

function stop() { if (source) source.close(); source = null; }
function end(kind, text) {
  stop();
  set(kind);
  by("end").textContent = text;
  by("end").hidden = false;
}
function set(kind) {
  state = kind;
  by("state").textContent = kind;
  by("state").className = `badge ${kind === "running" ? "running" : kind === "failed" || kind === "killed" ? "error" : ""}`;
}

function about(e) {
  const more = e.target.length > 4 ? ` and ${e.target.length - 4} more` : "";
  by("title").textContent = e.target.slice(0, 4).join(", ") + more || "class";
  by("source").textContent = ` predicted from ${e.source.split(/[\\/]/).pop().replace("danlu:", "")}`;
  const kind = e.task === "regression" ? "regression" : count(e.classes, "class", "classes");
  const seen = e.image ? ["Each image", `${e.image[2]} x ${e.image[1]}`]
    : ["Columns", whole(e.columns) + (e.left_out ? `, ${e.left_out} left out` : "")];
  const facts = [
    ["Target", e.target.slice(0, 4).join(", ") + more || "class", kind], ["Rows", whole(e.rows)], seen,
    ["Networks", String(e.networks), e.folds], ["Each network", count(e.parameters, "parameter")],
  ];
  by("about").replaceChildren(...facts.map(([term, fact, more]) => {
    const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term;
    dd.append(Object.assign(document.createElement("bdi"), { textContent: fact, className: term === "Target" ? "" : "said" }));
    if (more) dd.append(Object.assign(document.createElement("span"), { className: "muted", textContent: more }));
    div.append(dt, dd);
    return div;
  }));
}

function words() {
  const e = last, bar = by("bar"), live = state === "running";
  by("stage").textContent = !e ? "" : live ? e.stage : `last: ${e.stage}`;
  const all = e ? e.epochs * e.waves : 0, done = all ? ((e.wave - 1) * e.epochs + (e.read ?? e.epoch - 1)) / all : 0;
  bar.classList.toggle("busy", live && !all);
  by("done").style.width = live && !all ? "" : `${Math.min(100, 100 * done)}%`;
  if (all) bar.setAttribute("aria-valuenow", Math.round(100 * done)); else bar.removeAttribute("aria-valuenow");
  const said = [];
  if (all) {
    if (e.waves > 1) said.push(`wave ${e.wave} of ${e.waves}`);
    said.push(`epoch ${whole(e.epoch)} of ${whole(e.epochs)}`);
    said.push(e.active === e.members ? count(e.members, "network") : `${e.active} of ${count(e.members, "network")}`);
    if (live && e.seconds_left !== undefined) said.push(`about ${clock(e.seconds_left)} left`);
  }
  if (e && e.elapsed >= 1) said.push(`${clock(e.elapsed)} since the start`);
  const text = said.join(", ");
  if (spoken !== text) by("words").textContent = spoken = text;  // the element may say it in another language
  document.title = `${all && live ? `${Math.floor(100 * done)}% ` : ""}${by("title").textContent} · Danlu`;
}

// Curves

const finite = (values) => values.filter((v) => v !== null && Number.isFinite(v));
const middle = (values) => {
  const s = [...values].sort((a, b) => a - b), h = s.length >> 1;
  return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2;
};
// At most MOST points, even along the axis, first and last among them.
function thin(points, logarithmic) {
  if (points.length <= MOST) return points;
  const at = (p) => (logarithmic ? Math.log(Math.max(1, p.x)) : p.x);
  const step = (at(points[points.length - 1]) - at(points[0])) / (MOST - 1);
  let next = -Infinity;
  return points.filter((p, i) => {
    if (i < points.length - 1 && at(p) < next - 1e-9) return false;
    next = at(p) + step;
    return true;
  });
}
const SVG = "http://www.w3.org/2000/svg";
const node = (name, attributes, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};
function ticks(low, high, logarithmic) {
  if (logarithmic) {
    const found = [], first = Math.floor(Math.log10(low)), end = Math.ceil(Math.log10(high));
    for (let d = first; d <= end; d += 1) for (const m of [1, 2, 5]) found.push(m * 10 ** d);
    const inside = found.filter((v) => v >= low * 0.999 && v <= high * 1.001);
    return inside.length <= 7 ? inside : inside.filter((v) => /^1(e|0|$)|^0\.0*1$/.test(String(Number(v.toPrecision(3)))));
  }
  const span = high - low || Math.abs(high) || 1, rough = span / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * 0.999), found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step) found.push(Number(v.toPrecision(12)));
  return found;
}

function draw(name, points, of) {
  const place = by(`${name}-chart`), width = place.clientWidth;
  if (!width || !points.length) return;
  const xLog = points[points.length - 1].x > LONG, shown = thin(points, xLog);
  const rows = shown.map((p) => ({ x: p.x, y: p.y, own: finite(p.y) })).filter((p) => p.own.length);
  if (!rows.length) return;
  for (const r of rows) { r.median = middle(r.own); r.low = Math.min(...r.own); r.high = Math.max(...r.own); }
  let low = Math.min(...rows.map((r) => r.low)), high = Math.max(...rows.map((r) => r.high));
  const yLog = low > 0 && Math.log10(high / low) >= 1.5;
  if (!yLog) { const pad = (high - low) * 0.04 || Math.abs(high) * 0.05 || 1; low -= pad; high += pad; }
  const xEnd = Math.max(rows[rows.length - 1].x, 2), xFirst = Math.min(1, rows[0].x) || 1;
  const scale = (from, to, a, b, log) => {
    const f = log ? Math.log : (v) => v, k = (b - a) / (f(to) - f(from) || 1);
    return (v) => (a + (f(v) - f(from)) * k);
  };
  const px = scale(xFirst, xEnd, LEFT, width - RIGHT, xLog), py = scale(low, high, HEIGHT - BOTTOM, TOP, yLog);
  const svg = node("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, "aria-hidden": "true" });
  for (const v of ticks(low, high, yLog)) {
    svg.append(node("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: py(v), y2: py(v) }));
    svg.append(node("text", { x: LEFT - 8, y: py(v) + 4, "text-anchor": "end" }, short(v)));
  }
  svg.append(node("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  for (const v of ticks(xFirst, xEnd, xLog).filter(Number.isInteger)) {
    svg.append(node("text", { x: px(v), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, v.toLocaleString("en")));
  }
  svg.append(node("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 2, "text-anchor": "middle" }, "epoch"));
  const line = (list) => list.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("");
  if (of.networks > 1) {
    const band = [...rows.map((r) => [r.x, r.high]), ...rows.map((r) => [r.x, r.low]).reverse()];
    svg.append(node("path", { class: "band", d: `${line(band)}Z` }));
    for (let m = 0; m < rows[0].y.length; m += 1) {
      const own = rows.filter((r) => r.y[m] !== null && r.y[m] !== undefined).map((r) => [r.x, r.y[m]]);
      if (own.length > 1) svg.append(node("path", { class: "each", d: line(own) }));
    }
  }
  svg.append(node("path", { class: "median", d: line(rows.map((r) => [r.x, r.median])) }));
  if (rows.length <= 12) for (const r of rows) svg.append(node("circle", { class: "dot", cx: px(r.x), cy: py(r.median), r: 3 }));
  place.replaceChildren(svg);
  place.chart = { rows, px, py, svg };
  const end = rows[rows.length - 1];
  place.setAttribute("aria-label", `${language.read(by(`${name}-title`))} after epoch ${end.x}: median ${short(end.median)}, ` +
    `from ${short(end.low)} to ${short(end.high)}.`);
  const many = of.all > of.networks ? `${of.networks} of ${of.all} networks` : "each network";
  const fewer = shown.length < points.length ? ` ${whole(shown.length)} of ${whole(points.length)} points are drawn.` : "";
  by(`${name}-caption`).textContent = of.networks < 2 ? `One network.${fewer}`
    : `Faint: ${many}. Strong: the median of those still training; the band goes from the lowest to the highest.${fewer}`;
}

function hover(place, x) {
  const chart = place.chart;
  place.querySelectorAll(".tip, .at").forEach((e) => e.remove());
  if (!chart || x === null) return;
  const row = chart.rows.reduce((a, b) => (Math.abs(chart.px(b.x) - x) < Math.abs(chart.px(a.x) - x) ? b : a));
  const at = chart.px(row.x);
  chart.svg.append(node("line", { class: "at", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }));
  const tip = Object.assign(document.createElement("div"), { className: "tip" });
  tip.textContent = `epoch ${row.x.toLocaleString("en")}\nmedian ${short(row.median)}` +
    (row.own.length > 1 ? `\nlowest ${short(row.low)}\nhighest ${short(row.high)}\n${count(row.own.length, "network")}` : "");
  place.append(tip);
  tip.style.left = `${Math.min(at + 10, place.clientWidth - tip.offsetWidth)}px`;
}
for (const name of ["loss", "metric"]) {
  const place = by(`${name}-chart`);
  place.addEventListener("pointermove", (e) => { place.at = e.clientX - place.getBoundingClientRect().left; hover(place, place.at); });
  place.addEventListener("pointerleave", () => { place.at = null; hover(place, null); });
  place.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key], chart = place.chart;
    if (!step || !chart) return;
    e.preventDefault();
    place.index = Math.min(chart.rows.length - 1, Math.max(0, (place.index ?? chart.rows.length) + step));
    place.at = chart.px(chart.rows[place.index].x);
    hover(place, place.at);
  });
  place.addEventListener("blur", () => { place.at = null; place.index = undefined; hover(place, null); });
}

function paint() {
  asked = false;
  words();
  const now = rounds[rounds.length - 1];
  by("panels").hidden = !now;
  by("none").hidden = Boolean(now);
  if (!now) return;
  by("metric").hidden = !now.metric.length;
  by("metric-title").textContent = `${now.metricName || "Metric"} on judged rows`;
  const of = { networks: now.networks.length, all: now.all };
  draw("loss", now.loss, of);
  if (now.metric.length) draw("metric", now.metric, of);
  for (const name of ["loss", "metric"]) { const p = by(`${name}-chart`); if (p.at !== null && p.at !== undefined) hover(p, p.at); }
  const before = rounds.slice(0, -1);
  by("earlier").hidden = !before.length;
  by("rounds").replaceChildren(...before.map((r) => {
    const ends = r.metric.length ? r.metric : r.loss, value = finite(ends[ends.length - 1].y);
    const what = r.metric.length ? r.metricName : "loss", wave = r.wave > 1 ? `, wave ${r.wave}` : "";
    const text = `${r.stage}${wave}: ${count(r.read, "epoch")}, ${count(r.all, "network")}`;
    return Object.assign(document.createElement("li"), {
      textContent: value.length ? `${text}, ${what} ${short(middle(value))} (median)` : text,
    });
  }));
  document.documentElement.dataset.ready = "yes";
}
// A page in the background draws nothing; it is drawn when it is looked at again.
function soon() { if (!asked && !document.hidden) { asked = true; requestAnimationFrame(paint); } }
document.addEventListener("visibilitychange", soon);
addEventListener("resize", soon);

language.follow();
source = new EventSource("events");
source.onmessage = (m) => { for (const e of JSON.parse(m.data)) take(e); soon(); };
// The browser comes again by itself, and goes on after the last event that it has seen.
source.onerror = () => { if (source && state === "running") by("state").textContent = "connection lost"; };
source.onopen = () => { if (state === "running") by("state").textContent = "running"; };
