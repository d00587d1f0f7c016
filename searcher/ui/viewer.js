// One picture, large, with all that is known of it. Which one is said by the address.

import { change, go, imageInAddress } from './address.js';
import { drawCaptioning } from './captioning.js';
import { element, make, on } from './elements.js';
import { focusTile } from './grid.js';
import { captionOf, drawSaid, drawSignals } from './said.js';
import { fetchMore, keyIsMissing, results } from './search.js';
import { askFacts, askOriginal, imagePath, loadable } from './server.js';
import { instant, say } from './words.js';

const SWIPE_PX = 60;

const viewer = element('viewer');
const picture = element('viewer-picture');
const pictures = new Map(); // id → what is known of a picture that is no hit
let shown = null; // the hit in sight

export const viewerIsOpen = () => viewer.open;

function hitOf(id) {
  const known = results.hits.find((hit) => hit.image_id === id) ?? pictures.get(id);
  if (known) return known;
  const stub = { image_id: id, thumbnail_url: imagePath(id, 'thumbnail'), url: imagePath(id, 'original') };
  pictures.set(id, stub);
  askFacts(id).then((facts) => drawIfShown(Object.assign(stub, facts)), (problem) => {
    if (problem.status !== 404) pictures.delete(id);
  });
  return stub;
}

function drawIfShown(hit) {
  if (viewer.open && shown === hit) drawFacts(hit);
}

/** Shows the picture the address says, or none. What is in sight is drawn anew only `again`, so that the focus stays. */
export function followImage({ again = false } = {}) {
  const id = imageInAddress();
  if (!id || keyIsMissing()) return viewer.close();
  const hit = hitOf(id);
  const place = results.hits.indexOf(hit);
  element('previous').disabled = place <= 0;
  element('next').disabled = place < 0 || (place === results.hits.length - 1 && !results.cursor);
  if (again || !viewer.open || shown !== hit) draw(hit);
  if (viewer.open) return;
  viewer.showModal();
  element('stage').focus();
}

function draw(hit) {
  shown = hit;
  viewer.querySelector('aside').scrollTop = 0;
  element('viewer-similar').href = `/?like=${encodeURIComponent(hit.image_id)}`;
  drawFacts(hit);
  if (picture.dataset.image !== hit.image_id) drawOriginal(hit);
}

function drawFacts(hit) {
  element('viewer-key').textContent = hit.key ?? hit.image_id;
  element('viewer-facts').replaceChildren(...factLines(hit));
  drawSaid(hit);
  drawSignals(hit, results.hits.some(({ signals }) => Object.keys(signals ?? {}).length > 1));
  drawCaptioning(hit, () => drawIfShown(hit));
}

function factLines(hit) {
  const facts = {
    size: hit.width && `${hit.width} × ${hit.height}`,
    takenAt: hit.taken_at && instant(hit.taken_at),
    scoreLabel: hit.score?.toFixed(4),
    model: hit.signals && results.answer?.model,
    bucket: hit.bucket,
  };
  const lines = Object.entries(facts).filter(([, value]) => value);
  return lines.flatMap(([name, value]) => [make('dt', {}, say(name)), make('dd', {}, value)]);
}

/** Shows the thumbnail at once, then the original in its place. */
async function drawOriginal(hit) {
  const isCurrent = () => picture.dataset.image === hit.image_id;
  const show = (address) => { if (isCurrent()) picture.src = address; };
  picture.removeAttribute('src');
  picture.dataset.image = hit.image_id;
  picture.alt = captionOf(hit)?.text ?? hit.key ?? '';
  for (const side of ['width', 'height']) picture.setAttribute(side, hit[side] ?? '');
  element('viewer-original').href = hit.url;
  element('viewer-note').hidden = true;
  await loadable(hit.thumbnail_url).then(show, () => {});
  try {
    const original = new Image();
    original.src = await askOriginal(hit.url);
    if (isCurrent()) element('viewer-original').href = original.src;
    await original.decode();
    show(original.src);
  } catch {
    if (isCurrent()) element('viewer-note').hidden = false;
  }
}

export async function step(distance) {
  const target = results.hits.findIndex((hit) => hit.image_id === imageInAddress()) + distance;
  if (target === results.hits.length) await fetchMore();
  if (results.hits[target] && viewer.open) go(`#image=${results.hits[target].image_id}`, history.state, { replace: true });
}

/** The viewer was closed by Esc or a button: takes the picture out of the address and returns to its tile. */
function leaveImage() {
  const id = imageInAddress();
  delete picture.dataset.image;
  shown = null;
  if (!id || keyIsMissing()) return;
  if (history.state?.opened) history.back();
  else change({});
  focusTile(id);
}

export function listenToViewer() {
  let touchedAt = 0;
  on('viewer', 'close', leaveImage);
  on('viewer-close', 'click', () => viewer.close());
  on('previous', 'click', () => step(-1));
  on('next', 'click', () => step(1));
  on('stage', 'touchstart', (event) => { touchedAt = event.touches[0].clientX; });
  on('stage', 'touchend', (event) => {
    const moved = event.changedTouches[0].clientX - touchedAt;
    if (Math.abs(moved) > SWIPE_PX && event.touches.length === 0) step(-Math.sign(moved));
  });
}
