// The search page. The address says what is searched (?q=words or ?like=image_id) and which picture is open
// (#image=image_id); everything shown follows from it, so links can be shared and Back works.

import {
  PAGE_SIZE, askHits, askOriginal, askStatus, hasKey, imagePath, load, loadWhenNear, loadable, useKey,
} from './server.js';
import { instant, say, switchLanguage, translate } from './words.js';

const TYPING_PAUSE_MS = 350;
const STATUS_PERIOD_MS = 15_000;
const SWIPE_PX = 60;
const KEPT_RESULTS = 30;

const element = (id) => document.getElementById(id);
const on = (id, type, react) => element(id).addEventListener(type, react);
const wordsInput = element('words');
const grid = element('grid');
const viewer = element('viewer');
const viewerPicture = element('viewer-picture');

const nothingSearched = { query: null, received: 0, complete: true, answer: null, scroll: 0 };

let results = { ...nothingSearched, hits: [] }; // what the grid shows, or is about to show
let trouble = null; // why there is nothing (more) to show
let running = null; // AbortController of the search under way
let rows = null; // pictures indexed; null while unknown
const earlierResults = new Map(); // query id → results, for Back
const pictures = []; // uploaded pictures; history.state.picture is a place in this list
const keyIsMissing = () => trouble?.status === 401;

// ---- the address ----

const imageInAddress = () => new URLSearchParams(location.hash.slice(1)).get('image');

function queryInAddress() {
  const parameters = new URLSearchParams(location.search);
  const imageId = parameters.get('like');
  const words = parameters.get('q')?.trim();
  if (imageId) return { id: `like ${imageId}`, imageId };
  if (words) return { id: `words ${words}`, words };
  const place = history.state?.picture;
  return pictures[place] ? { id: `picture ${place}`, picture: pictures[place] } : null;
}

function go(address, state = {}, { replace = false } = {}) {
  results.scroll = scrollY;
  history[replace ? 'replaceState' : 'pushState'](state, '', address);
  followAddress();
}

/** Makes the page show what the address says. Back reuses the results already fetched. */
function followAddress({ reuse = false } = {}) {
  const query = queryInAddress();
  if (query?.id !== results.query?.id) search(query, { reuse });
  followImage();
}

function searchWords({ typed }) {
  const words = wordsInput.value.trim();
  const address = words ? `/?${new URLSearchParams({ q: words })}` : '/';
  go(address, { typed }, { replace: history.state?.typed || address === location.pathname + location.search });
}

function searchPicture(file) {
  if (!file) return;
  if (file.type && !file.type.startsWith('image/')) {
    return showTrouble({ status: 415, title: say('notPicture'), detail: say('notPictureDetail', file.name) });
  }
  go('/', { picture: pictures.push(file) - 1 });
}

// ---- searching ----

function search(query, { reuse = false } = {}) {
  running?.abort();
  running = null;
  trouble = null;
  const kept = reuse && earlierResults.get(query?.id);
  results = kept || { ...nothingSearched, hits: [], query };
  drawSearchBox();
  if (kept || !query) drawGrid();
  drawState();
  scrollTo(0, results.scroll);
  if (query && !kept) fetchHits();
}

/** Fetches the next page of hits; the former ones stay in sight meanwhile. */
async function fetchHits() {
  const wanted = results;
  const shown = results.hits.length;
  const control = new AbortController();
  running = control;
  trouble = null;
  drawState();
  try {
    addHits(wanted, await askHits(wanted.query, wanted.received, control.signal));
  } catch (problem) {
    if (!control.signal.aborted) trouble = problem;
  }
  if (control.signal.aborted) return;
  running = null;
  if (shown) grid.append(...wanted.hits.slice(shown).map(tile));
  else drawGrid();
  drawState();
  followImage();
}

/** Pages may overlap when the table grew in between: every picture is kept once. */
function addHits(into, answer) {
  const known = new Set(into.hits.map((hit) => hit.image_id));
  into.hits.push(...answer.hits.filter((hit) => !known.has(hit.image_id)));
  into.received += answer.hits.length;
  into.complete = answer.hits.length < PAGE_SIZE;
  into.answer = answer;
  earlierResults.set(into.query.id, into);
  if (earlierResults.size > KEPT_RESULTS) earlierResults.delete(earlierResults.keys().next().value);
}

async function loadMore() {
  const last = grid.lastElementChild;
  if (!results.complete && !running) await fetchHits();
  if (!viewer.open) last?.nextElementSibling?.querySelector('.open').focus({ preventScroll: true });
}

async function readStatus() {
  try {
    const status = await askStatus();
    rows = status.tables?.images?.rows ?? 0;
    element('demo').hidden = !status.model?.demo;
  } catch (problem) {
    if (problem.status === 401) trouble = problem;
  }
  followImage();
  drawState();
}

function showTrouble(problem) {
  trouble = problem;
  drawState();
}

function retry() {
  showTrouble(null);
  readStatus();
  if (results.query) fetchHits();
}

// ---- drawing ----

function drawSearchBox() {
  const { words, picture, imageId } = results.query ?? {};
  const isPicture = Boolean(picture ?? imageId);
  document.body.classList.toggle('idle', !results.query);
  document.title = words ? `${words} – bucketlens` : 'bucketlens';
  if (wordsInput.value.trim() !== (words ?? '')) wordsInput.value = words ?? '';
  wordsInput.placeholder = isPicture ? '' : say('placeholder');
  element('chip').hidden = !isPicture;
  if (picture) element('chip-picture').src = URL.createObjectURL(picture);
  if (imageId) load(element('chip-picture'), imagePath(imageId, 'thumbnail'));
}

const drawGrid = () => grid.replaceChildren(...results.hits.map(tile));

function tile(hit) {
  const item = element('tile').content.firstElementChild.cloneNode(true);
  const [open, image, name, score, similar] = ['.open', 'img', '.name', '.score', '.similar'].map((part) => item.querySelector(part));
  const ratio = hit.width && hit.height ? hit.width / hit.height : 1;
  item.style.setProperty('--ratio', Math.min(Math.max(ratio, 0.6), 2.4).toFixed(3));
  translate(item);
  open.href = `${location.pathname}${location.search}#image=${hit.image_id}`;
  open.dataset.image = hit.image_id;
  open.title = hit.key;
  name.textContent = hit.key.split('/').at(-1);
  score.textContent = hit.score.toFixed(3);
  similar.href = `/?like=${encodeURIComponent(hit.image_id)}`;
  image.alt = hit.key;
  image.addEventListener('error', () => item.classList.add('missing'));
  loadWhenNear(image, hit.thumbnail_url);
  return item;
}

/** What is going on: count, summary, message, progress bar and the button for more. */
function drawState() {
  const { hits, answer, complete } = results;
  const found = hits.length ? say('summary', hits.length, answer.took_ms, answer.model) : '';
  element('count').textContent = rows === null ? '' : say('indexed', rows);
  element('summary').textContent = running ? say('searching') : found;
  element('summary').title = found && say('summaryTitle', answer.table_version);
  element('progress').hidden = !running;
  element('more').hidden = complete || !hits.length;
  element('more').disabled = Boolean(running);
  grid.setAttribute('aria-busy', Boolean(running));
  drawMessage();
}

function drawMessage() {
  const [title, detail] = messageWords();
  element('message').hidden = !title;
  element('message-title').textContent = title;
  element('message-detail').textContent = detail;
  element('retry').hidden = !trouble || [401, 415].includes(trouble.status);
  element('key-form').hidden = !keyIsMissing();
  if (keyIsMissing()) element('key').focus();
}

function messageWords() {
  if (keyIsMissing()) return [say(hasKey() ? 'keyRefused' : 'keyNeeded'), say('keyNeededDetail')];
  if (trouble?.status === 0) return [say('unreachable'), say('unreachableDetail')];
  if (trouble) return [trouble.title ?? say('failed'), trouble.detail ?? (trouble.status ? say('badAnswer', trouble.status) : '')];
  if (running || results.hits.length) return [];
  if (rows === 0) return [say('empty'), say('emptyDetail')];
  return results.answer ? [say('nothing'), say('nothingDetail')] : [];
}

function drawPage() {
  translate(document);
  drawSearchBox();
  drawGrid();
  drawState();
}

// ---- one picture, large ----

const hitOf = (id) => results.hits.find((hit) => hit.image_id === id)
  ?? { image_id: id, thumbnail_url: imagePath(id, 'thumbnail'), url: imagePath(id, 'original') };

function followImage() {
  const id = imageInAddress();
  if (!id || keyIsMissing()) return viewer.close();
  drawViewer(hitOf(id));
  if (viewer.open) return;
  viewer.showModal();
  element('stage').focus();
}

function drawViewer(hit) {
  const place = results.hits.indexOf(hit);
  element('viewer-key').textContent = hit.key ?? hit.image_id;
  element('viewer-facts').replaceChildren(...viewerFacts(hit));
  element('viewer-similar').href = `/?like=${encodeURIComponent(hit.image_id)}`;
  element('previous').disabled = place <= 0;
  element('next').disabled = place < 0 || (place === results.hits.length - 1 && results.complete);
  if (viewerPicture.dataset.image !== hit.image_id) drawOriginal(hit);
}

function viewerFacts(hit) {
  const facts = {
    size: hit.width && `${hit.width} × ${hit.height}`,
    takenAt: hit.taken_at && instant(hit.taken_at),
    scoreLabel: hit.score?.toFixed(4),
    model: hit.key && results.answer.model,
    bucket: hit.bucket,
  };
  const line = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  return Object.entries(facts).flatMap(([name, value]) => (value ? [line('dt', say(name)), line('dd', value)] : []));
}

/** Shows the thumbnail at once, then the original in its place. */
async function drawOriginal(hit) {
  const isCurrent = () => viewerPicture.dataset.image === hit.image_id;
  const show = (address) => { if (isCurrent()) viewerPicture.src = address; };
  viewerPicture.removeAttribute('src');
  viewerPicture.dataset.image = hit.image_id;
  viewerPicture.alt = hit.key ?? '';
  for (const side of ['width', 'height']) viewerPicture.setAttribute(side, hit[side] ?? '');
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

async function step(distance) {
  const target = results.hits.findIndex((hit) => hit.image_id === imageInAddress()) + distance;
  if (target === results.hits.length) await loadMore();
  if (results.hits[target] && viewer.open) go(`#image=${results.hits[target].image_id}`, history.state, { replace: true });
}

/** The viewer was closed by Esc or a button: takes the picture out of the address and returns to its tile. */
function leaveImage() {
  const id = imageInAddress();
  delete viewerPicture.dataset.image;
  if (!id || keyIsMissing()) return;
  if (history.state?.opened) history.back();
  else go(location.pathname + location.search, history.state, { replace: true });
  grid.querySelector(`[data-image="${CSS.escape(id)}"]`)?.focus();
}

// ---- what the reader does ----

/** Links within the page change the address without loading the page again. */
function followLink(event) {
  const link = event.target.closest('a[href]');
  if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute('href'), link.dataset.image ? { ...history.state, opened: true } : {});
}

function listenToWords() {
  let pause;
  const searchSoon = (event) => {
    clearTimeout(pause);
    if (!event.isComposing) pause = setTimeout(searchWords, TYPING_PAUSE_MS, { typed: true });
  };
  on('words', 'input', searchSoon);
  on('words', 'compositionend', searchSoon);
  on('search-form', 'submit', (event) => {
    event.preventDefault();
    clearTimeout(pause);
    searchWords({ typed: false });
    if (results.query && !running) search(results.query);
  });
}

function listenToPictures() {
  const carriesFile = (event) => event.dataTransfer?.types.includes('Files');
  on('choose', 'click', () => element('picture-file').click());
  on('picture-file', 'change', (event) => {
    searchPicture(event.target.files[0]);
    event.target.value = '';
  });
  document.addEventListener('paste', (event) => searchPicture(event.clipboardData.files[0]));
  document.addEventListener('dragover', (event) => {
    if (carriesFile(event)) event.preventDefault();
    element('drop').hidden = !carriesFile(event);
  });
  document.addEventListener('dragleave', (event) => { element('drop').hidden = !event.relatedTarget; });
  document.addEventListener('drop', (event) => {
    element('drop').hidden = true;
    if (carriesFile(event)) event.preventDefault();
    searchPicture(event.dataTransfer.files[0]);
  });
}

function reactToKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input')) return;
  const [distance, neighbour] = { ArrowLeft: [-1, 'previousElementSibling'], ArrowRight: [1, 'nextElementSibling'] }[event.key] ?? [];
  if (distance && viewer.open) step(distance);
  else if (distance) event.target.closest('.tile')?.[neighbour]?.querySelector('.open').focus();
  if (event.key !== '/' || viewer.open) return;
  event.preventDefault();
  wordsInput.select();
}

function listenToViewer() {
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

function clearSearch() {
  go('/');
  wordsInput.focus();
}

function submitKey(event) {
  event.preventDefault();
  useKey(element('key').value);
  retry();
}

listenToWords();
listenToPictures();
listenToViewer();
on('more', 'click', loadMore);
on('retry', 'click', retry);
on('chip-clear', 'click', clearSearch);
on('chip-picture', 'error', (event) => event.target.removeAttribute('src'));
on('key-form', 'submit', submitKey);
on('language', 'click', switchLanguage);
on('language', 'click', drawPage);
document.addEventListener('click', followLink);
document.addEventListener('keydown', reactToKey);
addEventListener('popstate', () => followAddress({ reuse: true }));
setInterval(() => document.hidden || trouble || readStatus(), STATUS_PERIOD_MS);

history.scrollRestoration = 'manual';
drawPage();
followAddress();
readStatus();
if (!results.query && matchMedia('(hover: hover)').matches) wordsInput.focus();
