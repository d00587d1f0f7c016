import { make, on } from '../elements.js';
import { askJson, imagePath, load } from '../server.js';
import { say } from '../words.js';
import { ask, attempt } from './ask.js';

const near = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(target);
    fillThumbnail(target);
  }
});

export function showThumbnail(place, { id, key }) {
  place.textContent = '?';
  Object.assign(place.dataset, { id, key: key ?? '' });
  near.observe(place);
}

async function fillThumbnail(place) {
  const { id, key } = place.dataset;
  const image = make('img', { alt: '' });
  on(image, 'load', () => place.replaceChildren(image));
  const object = await askJson(`/v1/objects?${new URLSearchParams({ key })}`).catch(() => null);
  if (object?.indexed) return load(image, imagePath(object.image_id, 'thumbnail'));
  if (!object) return undefined;
  const { url } = await askJson(`/v1/ops/dead/${id}/link`).catch(() => ({}));
  if (url) image.src = url;
  return undefined;
}

export function drawLetters(list, letters, shift) {
  list.replaceChildren(...letters.map((letter) => {
    const { message_id: id, object } = letter;
    const key = object?.key;
    const thumb = make('span.thumb');
    const open = make('button', { type: 'button', title: key ?? id }, key ?? id);
    on(open, 'click', () => showLetter(id, shift));
    showThumbnail(thumb, { id, key });
    return make('li', {}, make('input', { type: 'checkbox', value: id, ariaLabel: key ?? id }), thumb, open);
  }));
}

async function showLetter(id, shift) {
  const answer = await attempt(askJson(`/v1/ops/dead/${encodeURIComponent(id)}`));
  if (!answer) return;
  const [letter] = answer.letters;
  const lines = Object.entries(letter).filter(([, value]) => value !== null && value !== '').flatMap(([name, value]) => {
    const text = Array.isArray(value) ? value.join('\n') : typeof value === 'object' ? JSON.stringify(value, null, 1) : value;
    return [make('dt', {}, name.replaceAll('_', ' ')), make('dd', {}, make(typeof value === 'object' ? 'pre' : 'span', {}, text))];
  });
  if (await ask(letter.object?.key ?? id, make('dl', {}, ...lines), say('replay'))) await shift('replay', { stage: letter.stage, ids: [letter.message_id] });
}
