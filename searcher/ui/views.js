// The views beside the search, loaded when first shown. Each is a folder with a module of its name:
// start()                  once, before it is first shown show({ reuse, came })    the reader
// opened it; `reuse`: by Back or Forward, `came`: from another view hide()                   the
// reader left draw()                   in the page's language, before `show` and whenever it
// changed retry()                  there is a key now, or the server answers again

import { viewInAddress } from "./address.js";
import { element, make } from "./elements.js";
import { complain } from "./search.js";
import { pageLanguage, say, translate } from "./words.js";

const loaded = new Map(); // view → promise of { module, root }
let current = null; // { module, root } in sight, null for the search

export async function followView({ reuse }) {
  const view = viewInAddress();
  drawNavigation();
  const next = view === "search" ? null : await load(view);
  if (viewInAddress() !== view) return;
  if (next === undefined) complain({ status: 0 });
  const came = next !== current;
  if (came && current) {
    current.root.hidden = true;
    current.module.hide();
  }
  current = next ?? null;
  if (next) next.root.hidden = false;
  if (next && next.language !== pageLanguage()) drawView();
  if (next) await next.module.show({ reuse, came });
}

async function load(view) {
  if (!loaded.has(view)) loaded.set(view, begin(view));
  return loaded.get(view).catch(() => {
    loaded.delete(view);
  });
}

async function begin(view) {
  const place = `/ui/${view}/${view}`;
  const style = make("link", { rel: "stylesheet", href: `${place}.css` });
  const styled = new Promise((resolve, reject) => {
    Object.assign(style, { onload: resolve, onerror: reject });
  });
  document.head.append(style);
  const markup = fetch(`${place}.html`).then((response) =>
    response.ok ? response.text() : Promise.reject(response),
  );
  const [module, text] = await Promise.all([import(`${place}.js`), markup, styled]);
  const root = make(
    "div",
    { hidden: true },
    ...new DOMParser().parseFromString(text, "text/html").body.children,
  );
  element("view").append(root);
  module.start();
  return { module, root, language: null };
}

export function drawNavigation() {
  const view = viewInAddress();
  document.body.dataset.view = view;
  for (const link of element("views").children) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  element("search-view").hidden = view !== "search";
  element("view").hidden = view === "search";
  if (view !== "search") document.title = `${say(`view_${view}`)} – bucketlens`;
}

export function drawView() {
  drawNavigation();
  if (!current) return;
  current.language = pageLanguage();
  translate(current.root);
  current.module.draw();
}

export function retryView() {
  if (current) current.module.retry();
  else if (viewInAddress() !== "search") followView({ reuse: false });
}
