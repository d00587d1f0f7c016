// The pictures found, as tiles.

import { element, make } from './elements.js';
import { captionOf } from './said.js';
import { results, running } from './search.js';
import { loadWhenNear } from './server.js';
import { translate } from './words.js';

const grid = element('grid');
let drawn = null; // results the tiles are of

/** Draws what is new; `again` draws all. Former tiles stay in sight until the first answer is there. */
export function drawGrid({ again = false } = {}) {
  grid.setAttribute('aria-busy', Boolean(running));
  if (running && !results.answer && !again) return;
  if (again || drawn !== results) grid.replaceChildren();
  drawn = results;
  grid.append(...results.hits.slice(grid.childElementCount).map(tile));
}

export function focusTile(id) {
  grid.querySelector(`[data-image="${CSS.escape(id)}"]`)?.focus();
}

/** Fetches more by `fetch` and goes on to the first new tile. */
export async function growGrid(fetch) {
  const last = grid.lastElementChild;
  await fetch();
  last?.nextElementSibling?.querySelector('.open').focus({ preventScroll: true });
}

function tile(hit) {
  const item = element('tile').content.firstElementChild.cloneNode(true);
  const [open, image, name, score, similar] = ['.open', 'img', '.name', '.score', '.similar'].map((part) => item.querySelector(part));
  const ratio = hit.width && hit.height ? hit.width / hit.height : 1;
  const described = captionOf(hit)?.text ?? hit.key;
  item.style.setProperty('--ratio', Math.min(Math.max(ratio, 0.6), 2.4).toFixed(3));
  translate(item);
  open.href = `${location.pathname}${location.search}#image=${hit.image_id}`;
  open.dataset.image = hit.image_id;
  open.title = described;
  name.textContent = hit.key.split('/').at(-1);
  score.textContent = hit.score.toFixed(3);
  similar.href = `/?like=${encodeURIComponent(hit.image_id)}`;
  image.alt = described;
  image.addEventListener('error', () => item.classList.add('missing'));
  loadWhenNear(image, hit.thumbnail_url);
  return item;
}

/** Keywords of the pictures found, as suggestions for a filter. */
export function suggestKeywords(list) {
  const keywords = new Set(results.hits.flatMap((hit) => hit.keywords ?? []));
  list.replaceChildren(...[...keywords].slice(0, 100).map((keyword) => make('option', { value: keyword })));
}
