// Elements are made here and nowhere else. A text becomes a text node, never markup: whatever the log holds, it can only be read.

/** An element with these properties and children. `class`, `aria-…`, `data-…` and the like are attributes, functions are listeners. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/** Adds children: elements, texts, lists of either; what is undefined or false is left out. */
export function append(element, ...children) {
  const there = children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false && child !== "");
  element.append(...there);
  return element;
}

/** Puts these in place of everything that an element has. */
export function fill(element, ...children) {
  element.replaceChildren();
  return append(element, ...children);
}

/** Tells something to those who listen to the page. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

/** A button. */
export function button(text, onClick, properties = {}) {
  return el("button", { type: "button", click: onClick, ...properties }, text);
}

/** A form that never goes anywhere: what is to be done with it is done here. */
export function form(onSubmit, properties, ...children) {
  const submit = (event) => {
    event.preventDefault();
    onSubmit(event.currentTarget);
  };
  return el("form", { submit, ...properties }, ...children);
}

/** What something is called and what it is, row by row; rows without a value are left out. */
export function facts(rows) {
  const there = rows.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return el("dl", { class: "facts" }, there.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A message that stands out. */
export function notice(kind, ...children) {
  return el("div", { class: `notice ${kind}` }, ...children);
}

/** Hands a file to the person at the browser. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: name }).click();
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
