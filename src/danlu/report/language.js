"use strict";
// Pages are written in English. What is Danlu's own and not the user's is looked up in the catalogue, and said in
// Chinese where the reader wants that. Names of the user's stand in <bdi>, code, or under translate="no".
const language = (() => {
  const catalogue = document.getElementById("phrases"), phrases = catalogue ? JSON.parse(catalogue.textContent).phrases : [];
  const NUMBER = "(?:[−+\\-]?(?:\\d{4}-\\d\\d-\\d\\d(?: \\d\\d:\\d\\d)?|\\d+(?::\\d\\d){1,2}|[\\d.,]*\\d(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|e[+-]?\\d+)?%?|∞)|–)";
  const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("\\(s\\)", "s?");
  const exact = new Map(), patterns = [], known = new Map(), missing = new Set();
  for (const [english, chinese] of phrases) {
    const parts = english.split(/\{([nxty]\d*)\}/);
    if (parts.length === 1 && !english.includes("(s)")) { exact.set(english, chinese); continue; }
    const form = (own, phrase) => {
      const piece = (part, i) => (i % 2 === 0 ? literal(part) : part[0] === "n" ? `(${NUMBER})` : part[0] === "t" ? phrase : own);
      return new RegExp(`^${parts.map(piece).join("")}$`, "su");
    };
    const names = parts.filter((_, i) => i % 2), weight = parts.filter((_, i) => i % 2 === 0).join("").length;
    patterns.push({ prefix: parts[0].split("(s)")[0], forms: [form("((?:(?!\\. \\p{Lu}|; ).)+?)", "((?:(?!: ).)+?)"), form("(.+?)", "(.+?)")], names, chinese, weight });
  }
  patterns.sort((a, b) => b.weight - a.weight);  // the more that is said, the surer it is meant

  const wordless = (text) => !/\p{Script=Latin}{2}/u.test(text);
  // {n} is a number, {x} the user's, {t} must be known itself, {y} is said in Chinese where it is known.
  const apart = (a, b) => /\p{Script=Han}$/u.test(a) && /^[A-Za-z0-9]/.test(b) || /[A-Za-z0-9]$/.test(a) && /^\p{Script=Han}/u.test(b);
  const filled = (pattern, found) => {
    const values = {};
    for (const [i, name] of pattern.names.entries()) {
      const value = found[i + 1];
      values[name] = name[0] === "t" ? translated(value) : name[0] === "y" ? translated(value) ?? value : value;
      if (values[name] === null) return null;
    }
    return pattern.chinese.replace(/\{([nxty]\d*)\}/g, (place, name, at, all) => {
      const value = values[name], before = all[at - 1] ?? "", after = all[at + place.length] ?? "";
      return (apart(before, value) ? " " : "") + value + (apart(value, after) ? " " : "");
    });
  };
  // At first nothing of the user's holds an end of a sentence; where that leads nowhere, it may (`loose` is 1).
  const whole = (text, loose = 0) => {
    const own = exact.get(text);
    if (own !== undefined) return own;
    if (wordless(text)) return text;
    for (const pattern of patterns) {
      const found = text.startsWith(pattern.prefix) ? pattern.forms[loose].exec(text) : null, said = found && filled(pattern, found);
      if (said) return said;
    }
    const small = text[0].toLowerCase() + text.slice(1);
    return small === text ? null : whole(small, loose);
  };
  const ENDS = [[". ", "。"], ["; ", "；"], [": ", "："], [", ", "，"]];
  // A text that is no phrase as a whole may be several, one behind the other.
  const translated = (text) => {
    if (known.has(text)) return known.get(text);
    known.set(text, null);
    let said = whole(text);
    if (said === null && text.endsWith(".")) {
      said = translated(text.slice(0, -1));
      if (said !== null) said += "。";
    }
    for (const [end, mark] of said === null ? ENDS : []) {
      for (let at = text.lastIndexOf(end); at > 0 && said === null; at = text.lastIndexOf(end, at - 1)) {
        if (mark !== "：" && mark !== "，" && wordless(text.slice(0, at))) continue;  // "a. b" is a name
        const first = (end === ". " ? whole(text.slice(0, at + 1)) : null) ?? withMark(whole(text.slice(0, at)), mark);
        const rest = first === null ? null : translated(text.slice(at + end.length));
        if (rest !== null) said = first + rest;
      }
    }
    said ??= whole(text, 1);
    known.set(text, said);
    return said;
  };
  const withMark = (said, mark) => (said === null ? null : said + mark);
  const partly = (text) => {
    missing.add(text);
    return text.split(/(?<=[.;]) /).map((part) => translated(part) ?? part).join(" ");
  };
  const inChinese = (text) => {
    const core = text.trim();
    if (!core) return text;
    const said = core.split("\n").map((line) => translated(line) ?? partly(line)).join("\n");
    const end = /[、。：；，）]$/.test(said) ? "" : text.slice(text.trimEnd().length);  // such marks have room of their own
    return text.slice(0, text.length - text.trimStart().length) + said + end;
  };

  let now = "en";
  const said = (text) => (now === "zh" ? inChinese(String(text)) : text);

  // What stands on the page: each text and attribute with the English it came with.
  const OWN = "bdi:not(.said), code, pre, script, style, noscript, [translate=no], .chart > *, #vg-tooltip-element", ATTRIBUTES = ["title", "aria-label", "placeholder", "alt"];
  const texts = new WeakMap(), attributes = new WeakMap();
  const english = (node) => {
    const kept = texts.get(node);
    return kept && kept.shown === node.nodeValue ? kept.english : node.nodeValue;
  };
  const sayText = (node) => {
    if (node.parentElement?.closest(OWN)) return;
    const from = english(node), to = said(from);
    if (to !== node.nodeValue) node.nodeValue = to;
    texts.set(node, { english: from, shown: to });
  };
  const sayAttributes = (element) => {
    if (element.closest(OWN)) return;
    const kept = attributes.get(element) ?? {};
    for (const name of ATTRIBUTES.filter((each) => element.hasAttribute(each))) {
      const value = element.getAttribute(name), from = kept[name]?.shown === value ? kept[name].english : value, to = said(from);
      if (to !== value) element.setAttribute(name, to);
      kept[name] = { english: from, shown: to };
    }
    attributes.set(element, kept);
  };
  const texts_of = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) found.push(walker.currentNode);
    return found;
  };
  const say = (root) => {
    texts_of(root).forEach(sayText);
    [root, ...root.querySelectorAll(ATTRIBUTES.map((name) => `[${name}]`).join())].forEach(sayAttributes);
    return root;
  };
  const read = (element) => texts_of(element).map(english).join("");

  const button = document.createElement("button"), listeners = [];
  const KEY = "danlu-language";
  const choose = (to) => {
    now = to;
    document.documentElement.lang = to === "zh" ? "zh-CN" : "en";
    button.textContent = to === "zh" ? "English" : "中文";
    button.lang = to === "zh" ? "en" : "zh-CN";
    say(document.body);
  };
  button.type = "button";
  button.className = "language";
  button.setAttribute("translate", "no");
  button.addEventListener("click", () => {
    choose(now === "zh" ? "en" : "zh");
    try { localStorage.setItem(KEY, now); } catch { /* a browser that keeps nothing: chosen again the next time */ }
    listeners.forEach((listener) => listener());
  });
  const wanted = () => {
    let kept = null;
    try { kept = localStorage.getItem(KEY); } catch { /* as above */ }
    return kept === "zh" || kept === "en" ? kept : /^zh\b/i.test(navigator.language) ? "zh" : "en";
  };
  if (catalogue) {
    document.querySelector(".brand").append(button);
    choose(wanted());
  }
  // A page that changes by itself is listened to; what is said already is the same again, and ends the echo.
  const follow = () => new MutationObserver((changes) => {
    for (const change of now === "zh" ? changes : []) {
      if (change.type === "attributes") sayAttributes(change.target);
      else if (change.type === "characterData") sayText(change.target);
      else change.addedNodes.forEach((node) => (node.nodeType === Node.TEXT_NODE ? sayText(node) : node.nodeType === Node.ELEMENT_NODE && say(node)));
    }
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES });

  return { said, say, read, follow, missing: () => [...missing], now: () => now, changed: (listener) => listeners.push(listener) };
})();
