// Parts of the page by their id, and new ones. Text from elsewhere is set as text only: nothing is ever read as HTML.

export const element = (id) => document.getElementById(id);
export const on = (id, type, react) => element(id).addEventListener(type, react);

/** A new element; `properties` are those of the DOM (className, textContent, href …). */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
