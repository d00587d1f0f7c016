// The page: the address decides everything shown, see address.js.

import {
  addressOf,
  go,
  idOf,
  isSearch,
  readAddress,
  stateOf,
  viewInAddress,
  whenMoved,
} from "./address.js";
import { listenToCaptioning } from "./captioning.js";
import { element, on } from "./elements.js";
import { listenToFilters } from "./filters/filters.js";
import { drawGrid, listenToGrid } from "./grid.js";
import { drawState } from "./message.js";
import { drawQuestion, focusWords, listenToPictures, listenToWords } from "./question.js";
import {
  complain,
  keyIsMissing,
  readStatus,
  results,
  retry,
  search,
  trouble,
  whenChanged,
} from "./search.js";
import { useKey } from "./server.js";
import { forgetBlobs } from "./thumbnails.js";
import { drawTuning, listenToTuning } from "./tuning.js";
import { followImage, listenToViewer, step, viewerIsOpen } from "./viewer.js";
import { drawView, followView, retryView } from "./views.js";
import { switchLanguage, translate } from "./words.js";

const STATUS_PERIOD_MS = 15_000;

const inSearch = () => viewInAddress() === "search";
let wasInSearch = false;
let lastView = null;

function followAddress({ reuse }) {
  if (wasInSearch) results.scroll = scrollY;
  if (lastView !== viewInAddress() && (trouble?.isOperators || !keyIsMissing())) complain(null);
  lastView = viewInAddress();
  followView({ reuse });
  if (inSearch()) followSearch({ reuse });
  else drawQuestion();
  wasInSearch = inSearch();
  drawState();
  followImage();
}

function followSearch({ reuse }) {
  const asked = readAddress();
  const isOther = idOf(asked) !== results.id;
  if (isOther) search(asked, { reuse });
  if (isOther || !wasInSearch) drawQuestion();
  if (isOther || !wasInSearch) scrollTo(0, results.scroll);
  element("to-search").href = addressOf(asked);
}

function drawAnswer() {
  drawGrid();
  drawTuning();
  drawState();
  followImage();
}

function drawPage() {
  translate(document);
  drawQuestion();
  drawGrid({ again: true });
  drawTuning();
  drawState();
  drawView();
  followImage({ again: true });
}

async function refreshStatus() {
  await readStatus();
  if (keyIsMissing() || !viewerIsOpen()) followImage();
  drawState();
}

function followLink(event) {
  const link = event.target.closest("a[href]");
  if (!link || link.target) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { image, sameSearch } = link.dataset;
  const state = sameSearch && results.asked ? stateOf(results.asked) : {};
  go(link.getAttribute("href"), image ? { ...history.state, opened: true } : state);
}

function reactToKey(event) {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.target.matches("input, select, textarea")
  )
    return;
  const distance = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (distance && viewerIsOpen()) step(distance);
  else if (distance) focusNeighbour(event.target, distance);
  if (event.key !== "/" || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if (!inSearch()) element("to-search").click();
  focusWords();
}

function focusNeighbour(from, distance) {
  const all = [...document.querySelectorAll(".tile .open")];
  const place = all.indexOf(from.closest(".tile")?.querySelector(".open"));
  if (place >= 0) all[place + distance]?.focus();
}

function submitKey(event) {
  event.preventDefault();
  useKey(element("key").value, trouble?.isOperators);
  forgetBlobs();
  event.target.reset();
  retryAll();
}

function retryAll() {
  if (inSearch()) retry();
  else {
    complain(null);
    retryView();
  }
  refreshStatus();
}

listenToWords();
listenToPictures();
listenToFilters();
listenToTuning();
listenToViewer();
listenToCaptioning();
listenToGrid();
on("retry", "click", retryAll);
on("key-form", "submit", submitKey);
on("language", "click", switchLanguage);
on("language", "click", drawPage);
on(document, "click", followLink);
on(document, "keydown", reactToKey);
setInterval(() => document.hidden || trouble || refreshStatus(), STATUS_PERIOD_MS);

history.scrollRestoration = "manual";
whenChanged(drawAnswer);
whenMoved(followAddress);
drawPage();
followAddress({ reuse: false });
refreshStatus();
if (document.body.classList.contains("idle") && matchMedia("(hover: hover)").matches) focusWords();
