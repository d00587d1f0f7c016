// Elements by their id, and new ones. Foreign text is set as text only and never parsed as HTML.

import { translate } from "./words.js";

export const element = (id) => document.getElementById(id);
/** `target` is an element, or the id of one. */
export const on = (target, type, react, options) =>
  (typeof target === "string" ? element(target) : target).addEventListener(type, react, options);

/** A new element: `make('p.note', { textContent: … }, child …)`. */
export function make(kind, properties = {}, ...children) {
  const [tag, ...classes] = kind.split(".");
  const made = Object.assign(document.createElement(tag), properties);
  made.classList.add(...classes);
  made.append(...children);
  return made;
}

export const closingCross = () => element("viewer-close").querySelector("svg").cloneNode(true);

export function copyOf(id) {
  const copy = document.importNode(element(id).content.firstElementChild, true);
  translate(copy);
  return copy;
}

/** Makes `list` show `items` in order. A child stays while its item's key does, with its focus. */
export function drawList(list, items, keyOf, build, draw) {
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const key = String(keyOf(item));
    const child = known.get(key) ?? build(item);
    child.dataset.key = key;
    known.delete(key);
    draw(child, item);
    if (list.children[place] !== child) list.insertBefore(child, list.children[place] ?? null);
  });
  for (const gone of known.values()) gone.remove();
}
