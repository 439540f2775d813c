"use strict";
(() => {
  const data = JSON.parse(document.getElementById("trace").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const GRID_FROM = 21, TOP = 64, SHOWN = 12;
  const unpack = (text) => {
    if (!text) return null;
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Float32Array(bytes.buffer);
  };
  const number = (v, digits = 4) => {
    if (v === null || v === undefined || Number.isNaN(v)) return "–";
    if (!v) return "0";
    const size = Math.abs(v);
    let text = size >= 1e6 || size < 1e-4 ? v.toExponential(digits - 2) : v.toPrecision(digits);
    if (text.includes(".") && !text.includes("e")) text = text.replace(/\.?0+$/, "");
    return text.replace("-", "−");
  };
  const make = (name, attributes = {}, ...children) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    for (const child of children) if (child !== null) element.append(child);
    return element;
  };
  const html = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    for (const child of children.flat()) if (child !== null) element.append(child);
    return element;
  };
  const columns = data.columns.filter((column) => column.values);
  const renumbered = new Map(data.columns.map((column, i) => [i, columns.indexOf(column)]));
  for (const column of columns) {
    for (const step of column.values) { step.v = unpack(step.values); step.g = unpack(step.gradients); }
    column.last = column.values[column.values.length - 1];
    column.first = column.values[0];
    column.l = unpack(column.local);
    for (const part of [column.weight, column.bias]) {
      if (part) { part.v = unpack(part.values); part.g = unpack(part.gradients); part.a = unpack(part.after); part.k = unpack(part.kept); }
    }
    column.source = column.from === null ? -1 : renumbered.get(column.from);
    column.next = [];
  }
  columns.forEach((column, i) => { if (columns[column.source]) columns[column.source].next.push(i); });
  const state = { row: 0, show: "weights", column: 0, unit: 0 };
  if (data.chain) {
    const found = columns.findIndex((c) => [c.weight, c.bias].some((part) => part && data.chain.weight.startsWith(`${part.name}[`)));
    if (found >= 0) { state.column = found; state.unit = channel(found) ? data.chain.index[0] * area(found) : data.chain.index[0]; }
    state.row = Math.max(0, data.rows.indexOf(data.chain.row));
  } else {
    state.column = Math.max(0, columns.findIndex((c) => c.weight));
    const steepest = columns[state.column];
    for (let unit = 1; steepest && unit < steepest.size; unit += 1) {
      if (Math.abs(steepest.first.g[unit]) > Math.abs(steepest.first.g[state.unit])) state.unit = unit;
    }
  }

  function area(c) { return columns[c].shape.slice(1).reduce((a, b) => a * b, 1); }
  function channel(c) { return columns[c].shape.length > 1; }
  const at = (c, array, unit) => array[state.row * columns[c].size + unit];
  const unitName = (c, unit) => {
    const column = columns[c];
    if (column.labels.length) return column.labels[unit];
    const places = [];
    let rest = unit;
    for (let d = column.shape.length - 1; d >= 0; d -= 1) { places.unshift(rest % column.shape[d]); rest = Math.floor(rest / column.shape[d]); }
    return `${column.name}[${places.join(",")}]`;
  };
  const largest = (array, from = 0, to = array.length) => {
    let most = 0;
    for (let i = from; i < to; i += 1) if (Math.abs(array[i]) > most) most = Math.abs(array[i]);
    return most || 1;
  };
  const shown = (column) => (state.show === "weights" ? column.last.v : column.last.g);

  // The weights of one unit: [{input, w, g, after}], as far as the page holds them.
  const weightsOf = (column, unit) => {
    const part = column.weight;
    if (!part || part.shape.length !== 2) return [];
    const wide = part.k ? part.k.length / part.shape[0] : part.shape[1];
    return Array.from({ length: wide }, (_, i) => {
      const place = unit * wide + i;
      return { input: part.k ? part.k[place] : i, w: part.v[place], g: part.g[place], after: part.a[place] };
    });
  };

  // Where everything stands.
  const grid = (column) => {
    const deep = column.shape.length > 1;
    const maps = deep ? column.shape[0] : 1;
    const high = deep ? (column.shape.length > 2 ? column.shape[1] : 1) : 0;
    const wide = deep ? column.shape[column.shape.length - 1] : Math.ceil(Math.sqrt(column.size));
    const tall = deep ? high : Math.ceil(column.size / wide);
    const across = deep ? Math.ceil(Math.sqrt(maps)) : 1;
    const cell = deep ? Math.max(1.5, Math.min(8, 150 / (across * wide))) : Math.max(4, Math.min(13, 190 / wide));
    return { deep, maps, wide, tall, across, cell, gap: deep ? 4 : 0 };
  };
  const measure = () => {
    for (const column of columns) {
      column.grid = column.size >= GRID_FROM || column.shape.length > 1 ? grid(column) : null;
      const g = column.grid;
      column.dense = column.size > 8;
      column.r = column.dense ? 16 : 23;
      column.step = column.dense ? 38 : 84;
      column.width = g ? Math.max(100, g.across * (g.wide * g.cell + g.gap)) : 2 * column.r + 46;
      column.height = g ? Math.ceil(g.maps / g.across) * (g.tall * g.cell + g.gap) : column.size * column.step;
      column.named = column.labels.length && !g ? 100 : 0;
    }
    const taken = columns.reduce((sum, column) => sum + column.width + column.named, 0);
    const gap = Math.max(columns.some((column) => column.grid || column.dense) ? 56 : 124, Math.min(210, (room() - 230 - taken) / Math.max(1, columns.length - 1)));
    let x = 30;
    for (const column of columns) {
      column.x = x + column.named;
      x += column.width + column.named + gap;
    }
    x -= gap - 60;
    const height = Math.max(190, ...columns.map((column) => column.height));
    for (const column of columns) column.y = TOP + (height - column.height) / 2;
    return { width: x + 130, height: height + TOP + 46 };
  };
  const room = () => document.getElementById("drawing").clientWidth || 1000;
  const place = (c, unit) => {
    const column = columns[c], g = column.grid;
    if (!g) return { x: column.x + column.width / 2, y: column.y + column.step * (unit + 0.5) - (column.dense ? 0 : 8), r: column.r };
    const each = g.deep ? g.wide * g.tall : column.size;
    const map = Math.floor(unit / each), inner = unit % each;
    return {
      x: column.x + (map % g.across) * (g.wide * g.cell + g.gap) + ((inner % g.wide) + 0.5) * g.cell,
      y: column.y + Math.floor(map / g.across) * (g.tall * g.cell + g.gap) + (Math.floor(inner / g.wide) + 0.5) * g.cell,
      r: g.cell / 2,
    };
  };
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const rgb = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((h) => parseInt(h, 16));
    return { pos: rgb("--first"), neg: rgb("--second"), ground: rgb("--wash") };
  };
  const picture = (column, values, most, scheme) => {
    const g = column.grid;
    const down = Math.ceil(g.maps / g.across), gap = g.deep ? 1 : 0;
    const canvas = document.createElement("canvas");
    canvas.width = g.across * (g.wide + gap); canvas.height = down * (g.tall + gap);
    const brush = canvas.getContext("2d");
    const image = brush.createImageData(canvas.width, canvas.height);
    const each = g.deep ? g.wide * g.tall : column.size;
    for (let unit = 0; unit < column.size; unit += 1) {
      const v = values[state.row * column.size + unit];
      const map = Math.floor(unit / each), inner = unit % each;
      const px = (map % g.across) * (g.wide + gap) + (inner % g.wide);
      const py = Math.floor(map / g.across) * (g.tall + gap) + Math.floor(inner / g.wide);
      const share = Math.sqrt(Math.min(1, Math.abs(v) / most));
      const tone = v >= 0 ? scheme.pos : scheme.neg;
      const spot = 4 * (py * canvas.width + px);
      for (let i = 0; i < 3; i += 1) image.data[spot + i] = Math.round(scheme.ground[i] + (tone[i] - scheme.ground[i]) * share);
      image.data[spot + 3] = 255;
    }
    brush.putImageData(image, 0, 0);
    const unitWidth = g.deep ? (g.wide * g.cell + g.gap) / (g.wide + gap) : g.cell;
    return make("image", {
      href: canvas.toDataURL(), x: column.x, y: column.y, width: canvas.width * unitWidth, height: canvas.height * unitWidth,
      class: "map", preserveAspectRatio: "none",
    });
  };

  const edges = (c) => {
    const column = columns[c], source = columns[column.source];
    if (!source || !column.weight || column.weight.shape.length !== 2 || column.weight.shape[1] !== source.size) return [];
    const key = state.show === "weights" ? "w" : "g";
    const all = !column.grid && !source.grid;
    const found = [];
    for (let unit = 0; unit < column.size; unit += 1) {
      if (!all && !(state.column === c && state.unit === unit)) continue;
      const mine = weightsOf(column, unit).sort((a, b) => Math.abs(b[key]) - Math.abs(a[key]));
      for (const each of all ? mine : mine.slice(0, SHOWN)) found.push({ ...each, unit, size: each[key] });
    }
    if (!all && state.column === column.source && !column.weight.k) {
      const out = Array.from({ length: column.size }, (_, unit) => ({ ...weightsOf(column, unit)[state.unit], unit }));
      out.sort((a, b) => Math.abs(b[key]) - Math.abs(a[key]));
      for (const each of out.slice(0, SHOWN)) found.push({ ...each, size: each[key] });
    }
    const most = largest(found.map((each) => each.size));
    const few = all && found.length <= 12;
    const lines = [], words = [];
    found.sort((a, b) => Math.abs(a.size) - Math.abs(b.size));
    for (const each of found) {
      const a = place(column.source, each.input), b = place(c, each.unit);
      const share = Math.abs(each.size) / most;
      const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
      const [ux, uy] = [(b.x - a.x) / length, (b.y - a.y) / length];
      const asked = data.chain && column.weight.name && data.chain.weight === `${column.weight.name}[${each.unit},${each.input}]`;
      const line = make("line", {
        x1: a.x + ux * a.r, y1: a.y + uy * a.r, x2: b.x - ux * b.r, y2: b.y - uy * b.r,
        class: `edge ${each.size >= 0 ? "pos" : "neg"}`, "stroke-width": (0.8 + 4.2 * share).toFixed(2), "stroke-opacity": (0.25 + 0.65 * share).toFixed(2),
      });
      line.append(make("title", {}, `${unitName(column.source, each.input)} → ${unitName(c, each.unit)}: weight ${number(each.w, 6)}, gradient ${number(each.g, 6)}`));
      lines.push(line);
      if (few) {
        const t = column.size > source.size ? 0.64 : 0.34;
        const text = make("text", { x: a.x + (b.x - a.x) * t, y: a.y + (b.y - a.y) * t + 4, class: "label" }, number(each.size, 3));
        if (asked) text.setAttribute("font-weight", "700");
        words.push(text);
      }
    }
    return [...lines, ...words];
  };

  const shades = (c, scheme) => {
    const column = columns[c], values = shown(column);
    return picture(column, values, largest(values, state.row * column.size, (state.row + 1) * column.size), scheme);
  };
  const nodes = (c) => {
    const column = columns[c], values = shown(column);
    const most = largest(values, state.row * column.size, (state.row + 1) * column.size);
    const group = make("g", {
      class: "column", tabindex: "0", role: "listbox", "data-column": c,
      "aria-label": `${column.name}, ${column.size} units. Arrow keys choose one.`,
    });
    if (column.grid) {
      const hit = make("rect", { x: column.x, y: column.y, width: Math.max(column.width, 10), height: column.height, class: "hit" });
      hit.addEventListener("click", (event) => {
        const box = hit.getBoundingClientRect();
        choose(c, nearest(c, column.x + ((event.clientX - box.left) / box.width) * column.width, column.y + ((event.clientY - box.top) / box.height) * column.height));
      });
      group.append(hit);
      if (state.column === c) {
        const p = place(c, state.unit), r = Math.max(p.r, 3) + 1;
        group.append(make("rect", { x: p.x - r, y: p.y - r, width: 2 * r, height: 2 * r, class: "cursor", rx: 1.5 }));
      }
    } else {
      for (let unit = 0; unit < column.size; unit += 1) {
        const p = place(c, unit), v = at(c, values, unit), share = Math.abs(v) / most;
        const node = make("g", { class: "node" });
        node.append(make("circle", { cx: p.x, cy: p.y, r: column.r, class: "ground" }));
        node.append(make("circle", { cx: p.x, cy: p.y, r: column.r, class: v >= 0 ? "fill-pos" : "fill-neg", "fill-opacity": (0.06 + 0.62 * share).toFixed(2) }));
        const chosen = state.column === c && state.unit === unit;
        node.append(make("circle", { cx: p.x, cy: p.y, r: column.r, class: `ring${chosen ? " chosen" : ""}` }));
        node.append(make("text", { x: p.x, y: p.y + 4, class: column.dense ? "value small" : "value" }, column.dense && v && Math.abs(v) < 0.01 ? "≈0" : number(v, column.dense ? 2 : 3)));
        const z = column.first !== column.last ? `z ${number(at(c, column.first.v, unit), 3)}   ` : "";
        if (!column.dense) node.append(make("text", { x: p.x, y: p.y + column.r + 14, class: "dim halo" }, state.show === "weights" ? `${z}∂ ${number(at(c, column.first.g, unit), 3)}` : `value ${number(at(c, column.last.v, unit), 3)}`));
        if (column.labels.length) node.append(make("text", { x: p.x - column.r - 10, y: p.y + 4, class: "right" }, short(column.labels[unit])));
        const hit = make("circle", { cx: p.x, cy: p.y, r: column.r + 2, class: "hit" });
        hit.append(make("title", {}, unitName(c, unit)));
        hit.addEventListener("click", () => choose(c, unit));
        node.append(hit);
        group.append(node);
      }
    }
    group.addEventListener("keydown", (event) => move(event, c));
    const centre = column.x + (column.grid ? column.grid.across * (column.grid.wide * column.grid.cell + column.grid.gap) / 2 : column.width / 2);
    group.append(make("text", { x: centre, y: 26, class: "name" }, column.name));
    const size = column.shape.length > 1 ? column.shape.join(" × ") : `${column.size} unit${column.size > 1 ? "s" : ""}`;
    group.append(make("text", { x: centre, y: 43, class: "dim" }, size));
    const about = make("text", { x: centre, y: state.size.height - 14, class: "dim" }, short(column.about, 30));
    about.append(make("title", {}, column.about));
    group.append(about);
    return group;
  };
  const short = (text, most = 16) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const nearest = (c, x, y) => {
    let best = 0, least = Infinity;
    for (let unit = 0; unit < columns[c].size; unit += 1) {
      const p = place(c, unit), far = (p.x - x) ** 2 + (p.y - y) ** 2;
      if (far < least) { least = far; best = unit; }
    }
    return best;
  };
  const move = (event, c) => {
    const column = columns[c];
    const wide = column.grid ? column.grid.wide : 1;
    const unit = state.column === c ? state.unit : 0;
    const steps = { ArrowUp: -wide, ArrowDown: wide, Home: -unit, End: column.size - 1 - unit };
    if (column.grid) Object.assign(steps, { ArrowLeft: -1, ArrowRight: 1 });
    if (event.key in steps) {
      event.preventDefault();
      choose(c, Math.max(0, Math.min(column.size - 1, unit + (state.column === c ? steps[event.key] : 0))), true);
    } else if (!column.grid && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      event.preventDefault();
      const other = Math.max(0, Math.min(columns.length - 1, c + (event.key === "ArrowLeft" ? -1 : 1)));
      choose(other, Math.min(unit, columns[other].size - 1), true);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(c, unit, true);
    }
  };

  const draw = () => {
    state.size = measure();
    const { width, height } = state.size;
    const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    const scheme = colours();
    columns.forEach((column, c) => { if (column.grid) svg.append(shades(c, scheme)); });
    columns.forEach((_, c) => svg.append(...edges(c)));
    columns.forEach((_, c) => svg.append(nodes(c)));
    const last = columns[columns.length - 1];
    const x = last.x + last.width + 44, y = height / 2 - 4;
    svg.append(make("line", { x1: last.x + last.width - 12, y1: y, x2: x - 6, y2: y, class: "edge ring" }));
    svg.append(make("rect", { x, y: y - 34, width: 104, height: 68, rx: 8, class: "box" }));
    svg.append(make("text", { x: x + 52, y: y - 12, class: "dim" }, short(data.loss.name, 17)));
    svg.append(make("text", { x: x + 52, y: y + 7, class: "name" }, number(data.loss.value, 5)));
    const target = unpack(data.loss.target);
    if (target) {
      const each = target.length / data.rows.length;
      const words = each <= 2 ? Array.from(target.slice(state.row * each, (state.row + 1) * each), (v) => number(v, 4)).join(", ") : `${each} numbers`;
      svg.append(make("text", { x: x + 52, y: y + 25, class: "dim" }, `target ${words}`));
    }
    const home = document.getElementById("drawing");
    const left = home.scrollLeft;
    home.replaceChildren(svg);
    home.scrollLeft = left;
    open();
  };

  // The opened unit.
  const cell = (value, digits = 4) => html("td", { class: `n ${value < 0 ? "q" : value > 0 ? "p" : ""}` }, number(value, digits));
  const grouped = (title, heads, rows, total) => {
    const head = html("tr", {}, heads.map((text, i) => html("th", { scope: "col", class: i && text !== "formula" ? "n" : "" }, text)));
    const body = rows.map(([name, ...values]) => html("tr", {}, html("th", { scope: "row" }, html("bdi", {}, name)), values.map((v) => (typeof v === "string" ? html("td", { class: v.length > 12 ? "" : "n" }, v) : cell(v)))));
    const sum = total ? [html("tr", { class: "total" }, html("th", { scope: "row" }, total[0]), total.slice(1).map((v) => (typeof v === "string" ? html("td", { class: "n" }, v) : cell(v, 5))))] : [];
    return html("div", {}, html("h3", {}, title), html("div", { class: "frame" }, html("table", {}, html("thead", {}, head), html("tbody", {}, [...body, ...sum]))));
  };
  const incoming = (c, unit) => {
    const column = columns[c], source = columns[column.source];
    if (!column.weight || column.weight.shape.length !== 2 || !source || source.size !== column.weight.shape[1]) return null;
    const all = weightsOf(column, unit).map((each) => ({ ...each, x: at(column.source, source.last.v, each.input) }));
    all.sort((a, b) => Math.abs(b.w * b.x) - Math.abs(a.w * a.x));
    const rows = all.slice(0, SHOWN).map((each) => [unitName(column.source, each.input), each.x, each.w, each.w * each.x, each.g, each.after]);
    const z = at(c, column.first.v, unit), bias = column.bias ? column.bias.v[unit] : 0;
    const listed = rows.reduce((sum, row) => sum + row[3], 0);
    if (column.weight.shape[1] > rows.length) rows.push([`${column.weight.shape[1] - rows.length} more`, "", "", z - bias - listed, "", ""]);
    if (column.bias) rows.push(["bias", 1, bias, bias, column.bias.g[unit], column.bias.a[unit]]);
    return grouped("What comes in", ["from", "value", "weight", "value × weight", "gradient", "after"], rows, ["weighted sum", "", "", z, "", ""]);
  };
  const kernel = (c, unit) => {
    const column = columns[c], part = column.weight;
    if (!part || part.shape.length !== 4 || part.k) return null;
    const size = part.shape[1] * part.shape[2] * part.shape[3], k = Math.floor(unit / area(c));
    const rows = Array.from({ length: size }, (_, i) => {
      const place = [Math.floor(i / (part.shape[2] * part.shape[3])), Math.floor(i / part.shape[3]) % part.shape[2], i % part.shape[3]];
      return [`[${k},${place.join(",")}]`, part.v[k * size + i], part.g[k * size + i], part.a[k * size + i]];
    }).sort((a, b) => Math.abs(b[2]) - Math.abs(a[2]));
    const more = size > SHOWN ? [[`${size - SHOWN} more`, "", "", ""]] : [];
    return grouped(`Kernel of channel ${k}, largest gradients first`, ["weight", "value", "gradient", "after"], [...rows.slice(0, SHOWN), ...more]);
  };
  const outgoing = (c, unit) => {
    const column = columns[c], delta = at(c, column.first.g, unit);
    if (column.next.length === 0) {
      return html("div", {}, html("h3", {}, "Where its delta comes from"), html("p", {}, `The loss: its derivative by this output is ${number(delta, 6)}.`));
    }
    const next = columns[column.next[0]];
    if (column.next.length > 1 || !next.plain || next.weight.k || !column.direct || (column.values.length > 1 && !column.l)) return null;
    const all = Array.from({ length: next.size }, (_, k) => {
      const w = next.weight.v[k * next.weight.shape[1] + unit], d = at(column.next[0], next.first.g, k);
      return [unitName(column.next[0], k), w, d, w * d];
    });
    const sum = all.reduce((total, each) => total + each[3], 0);
    all.sort((a, b) => Math.abs(b[3]) - Math.abs(a[3]));
    const rows = all.slice(0, SHOWN);
    if (all.length > SHOWN) rows.push([`${all.length - SHOWN} more`, "", "", all.slice(SHOWN).reduce((t, e) => t + e[3], 0)]);
    const table = grouped("Where its delta comes from", ["to", "weight", "delta there", "weight × delta"], rows, ["sum", "", "", sum]);
    const slopes = column.values.slice(1).map((step) => step.slope).join(" × ");
    const local = column.l ? at(c, column.l, unit) : 1;
    table.append(html("p", { class: "note" }, column.l ? `delta = sum × ${slopes} = ${number(sum, 6)} × ${number(local, 6)} = ${number(sum * local, 6)}` : `delta = ${number(sum, 6)}`));
    return table;
  };
  const open = () => {
    const c = state.column, unit = state.unit, column = columns[c];
    const home = document.getElementById("unit");
    const steps = column.values.map((step, i) => [
      step.name === column.name && column.weight ? "weighted sum z" : step.kind === "input" ? "value" : step.kind, `${step.formula} `.padEnd(13), at(c, step.v, unit), at(c, step.g, unit),
    ]);
    const own = column.path && !/^[0-9]+$/.test(column.path) ? ` (${column.path})` : "";
    const heading = html("h3", {}, html("bdi", {}, unitName(c, unit)), html("span", { class: "muted" }, `${own}${data.rows.length > 1 ? `, row ${data.rows[state.row]}` : ""}`));
    const values = grouped("Its numbers", ["", "formula", "value", "the loss's gradient"], steps);
    const left = html("div", {}, values, incoming(c, unit) || kernel(c, unit));
    home.replaceChildren(heading, html("div", { class: "pair" }, left, outgoing(c, unit)));
  };
  const choose = (c, unit, focus = false) => {
    state.column = c; state.unit = unit;
    draw();
    if (focus) document.querySelector(`[data-column="${c}"]`).focus({ preventScroll: true });
  };
  const choices = (title, options, current, pick) => {
    const buttons = options.map(([value, text]) => {
      const button = html("button", { type: "button", "aria-pressed": String(value === current) }, text);
      button.addEventListener("click", () => {
        for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
        pick(value); draw();
      });
      return button;
    });
    return html("span", { role: "group", "aria-label": title }, title, html("span", { class: "choices" }, buttons));
  };
  const controls = document.getElementById("controls");
  controls.append(choices("Show", [["weights", "values and weights"], ["gradients", "gradients"]], "weights", (v) => { state.show = v; }));
  if (data.rows.length > 1) controls.append(choices("Row", data.rows.map((row, i) => [i, String(row)]), state.row, (v) => { state.row = v; }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  if (columns.length) draw();
  document.documentElement.dataset.ready = "yes";
})();
