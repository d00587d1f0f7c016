// The search page. The address says what is searched and which picture is open (see address.js); everything shown
// follows from it, so links can be shared and Back works.

import { change, go, goToPicture, idOf, readAddress, whenMoved } from './address.js';
import { listenToCaptioning } from './captioning.js';
import { element, on } from './elements.js';
import { drawFilters, listenToFilters } from './filters.js';
import { drawGrid, growGrid } from './grid.js';
import { drawState } from './message.js';
import {
  complain, fetchMore, keyIsMissing, readStatus, results, retry, running, search, trouble, whenChanged,
} from './search.js';
import { imagePath, load, useKey } from './server.js';
import { drawTuning, listenToTuning } from './tuning.js';
import { followImage, listenToViewer, step, viewerIsOpen } from './viewer.js';
import { say, switchLanguage, translate } from './words.js';

const TYPING_PAUSE_MS = 350;
const STATUS_PERIOD_MS = 15_000;

const wordsInput = element('words');

// ---- what follows from the address ----

/** Makes the page show what the address says. Back reuses the results already fetched. */
function followAddress({ reuse }) {
  const asked = readAddress();
  if (idOf(asked) !== results.id) {
    results.scroll = scrollY;
    search(asked, { reuse });
    drawQuestion();
    scrollTo(0, results.scroll);
  }
  followImage();
}

function drawAnswer() {
  drawGrid();
  drawTuning();
  drawState();
  followImage();
}

/** What is asked. Drawn when a search begins, never while its answer comes: the reader may be typing the next one. */
function drawQuestion() {
  const asked = results.asked ?? readAddress();
  const { words, picture, imageId } = asked;
  const isPicture = Boolean(picture ?? imageId);
  document.body.classList.toggle('idle', !(words || isPicture || asked.keywords.length));
  document.title = words ? `${words} – bucketlens` : 'bucketlens';
  if (wordsInput.value.trim() !== (words ?? '')) wordsInput.value = words ?? '';
  wordsInput.placeholder = isPicture ? '' : say('placeholder');
  element('chip').hidden = !isPicture;
  if (picture) element('chip-picture').src = URL.createObjectURL(picture);
  if (imageId) load(element('chip-picture'), imagePath(imageId, 'thumbnail'));
  drawFilters(asked);
}

function drawPage() {
  translate(document);
  drawQuestion();
  drawGrid({ again: true });
  drawTuning();
  drawState();
  followImage({ again: true });
}

async function refreshStatus() {
  await readStatus();
  if (keyIsMissing() || !viewerIsOpen()) followImage();
  drawState();
}

// ---- what the reader does ----

const searchWords = (step) => change({ words: wordsInput.value.trim() || null, imageId: null, picture: null }, step);

function searchPicture(file) {
  if (!file) return;
  if (!file.type || file.type.startsWith('image/')) goToPicture(file);
  else complain({ status: 415, title: say('notPicture'), detail: say('notPictureDetail', file.name) });
}

/** Links within the page change the address without loading the page again. */
function followLink(event) {
  const link = event.target.closest('a[href]');
  if (!link || link.target || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { image, sameSearch } = link.dataset;
  const state = sameSearch ? { picture: history.state?.picture } : {};
  go(link.getAttribute('href'), image ? { ...history.state, opened: true } : state);
}

function listenToWords() {
  let pause;
  const searchSoon = (event) => {
    clearTimeout(pause);
    if (!event.isComposing) pause = setTimeout(searchWords, TYPING_PAUSE_MS, 'typing');
  };
  on('words', 'input', searchSoon);
  on('words', 'compositionend', searchSoon);
  on('search-form', 'submit', (event) => {
    event.preventDefault();
    clearTimeout(pause);
    const before = results;
    searchWords();
    if (results === before && !running) search(results.asked);
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
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, select')) return;
  const [distance, neighbour] = { ArrowLeft: [-1, 'previousElementSibling'], ArrowRight: [1, 'nextElementSibling'] }[event.key] ?? [];
  if (distance && viewerIsOpen()) step(distance);
  else if (distance) event.target.closest('.tile')?.[neighbour]?.querySelector('.open').focus();
  if (event.key !== '/' || viewerIsOpen()) return;
  event.preventDefault();
  wordsInput.select();
}

function clearPicture() {
  change({ imageId: null, picture: null });
  wordsInput.focus();
}

function submitKey(event) {
  event.preventDefault();
  useKey(element('key').value);
  retryAll();
}

function retryAll() {
  retry();
  refreshStatus();
}

listenToWords();
listenToPictures();
listenToFilters();
listenToTuning();
listenToViewer();
listenToCaptioning();
on('more', 'click', () => growGrid(fetchMore));
on('retry', 'click', retryAll);
on('chip-clear', 'click', clearPicture);
on('chip-picture', 'error', (event) => event.target.removeAttribute('src'));
on('key-form', 'submit', submitKey);
on('language', 'click', switchLanguage);
on('language', 'click', drawPage);
document.addEventListener('click', followLink);
document.addEventListener('keydown', reactToKey);
setInterval(() => document.hidden || trouble || refreshStatus(), STATUS_PERIOD_MS);

history.scrollRestoration = 'manual';
whenChanged(drawAnswer);
whenMoved(followAddress);
drawPage();
followAddress({ reuse: false });
refreshStatus();
if (document.body.classList.contains('idle') && matchMedia('(hover: hover)').matches) wordsInput.focus();
