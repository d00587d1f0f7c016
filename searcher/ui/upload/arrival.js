// Waiting for what was stored to become searchable.

import { askJson } from '../server.js';

const PERIOD_MS = 1000;
const FEWEST_AT_ONCE = 8;
const MOST_AT_ONCE = 32;
// What takes longer is looked for less and less often: it may never come.
const SOON_MS = 120_000;

const arriving = []; // the one to be looked for next first
let arrived = () => {};
let timer = null;

export const whenArrived = (react) => { arrived = react; };

export function awaitArrival(file) {
  arriving.push(Object.assign(file, { storedAt: Date.now(), lookAt: 0 }));
  timer ??= setTimeout(lookAround, PERIOD_MS);
}

async function lookAround() {
  const now = Date.now();
  const due = arriving.filter(({ lookAt }) => lookAt <= now);
  const count = Math.min(Math.max(FEWEST_AT_ONCE, Math.round(due.length / 8)), MOST_AT_ONCE);
  if (!document.hidden) await Promise.all(due.slice(0, count).map(look));
  timer = arriving.length ? setTimeout(lookAround, PERIOD_MS) : null;
}

async function look(file) {
  const place = arriving.indexOf(file);
  arriving.splice(place, 1);
  const { indexed, image_id: imageId } = await askJson(`/v1/objects?${new URLSearchParams({ key: file.link.key })}`).catch(() => ({}));
  if (indexed) return arrived(Object.assign(file, { state: 'searchable', imageId }));
  const age = Date.now() - file.storedAt;
  file.lookAt = age > SOON_MS ? Date.now() + age / 4 : 0;
  arriving.push(file);
  if (age > SOON_MS && file.state !== 'slow') arrived(Object.assign(file, { state: 'slow' }));
  return undefined;
}
