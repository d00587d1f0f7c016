// The current search and its hits. Nothing is drawn here; `whenChanged` is called.

import { idOf, isSearch } from "./address.js";
import { askHits, askStatus } from "./server.js";

const KEPT_RESULTS = 30;

// Hits that the grid shows or will show; `cursor` is null after the last page.
const resultsOf = (asked) => ({
  asked,
  id: asked && idOf(asked),
  hits: [],
  cursor: null,
  answer: null,
  scroll: 0,
});

export let results = resultsOf(null);
export let trouble = null; // why there is nothing (more) to show
export let running = null; // AbortController of the search under way
export let status = null; // what the server says of itself; null while unknown
const earlierResults = new Map(); // id → results, for Back
let changed = () => {};

export const whenChanged = (react) => {
  changed = react;
};
export const keyIsMissing = () => trouble?.status === 401;

export function search(asked, { reuse = false } = {}) {
  running?.abort();
  running = null;
  trouble = null;
  const kept = reuse && earlierResults.get(idOf(asked));
  results = kept || resultsOf(asked);
  changed();
  if (!kept && isSearch(asked)) fetchHits();
}

export async function fetchHits() {
  const wanted = results;
  const control = new AbortController();
  running = control;
  trouble = null;
  changed();
  try {
    keep(wanted, await askHits(wanted.asked, wanted.cursor, control.signal));
  } catch (problem) {
    if (!control.signal.aborted) trouble = problem;
  }
  if (control.signal.aborted) return;
  running = null;
  changed();
}

function keep(into, answer) {
  into.hits.push(...answer.hits);
  into.cursor = answer.next_cursor ?? null;
  into.answer = answer;
  earlierResults.set(into.id, into);
  if (earlierResults.size > KEPT_RESULTS) earlierResults.delete(earlierResults.keys().next().value);
}

export async function fetchMore() {
  if (results.cursor && !running) await fetchHits();
}

export async function readStatus() {
  try {
    status = await askStatus();
  } catch (problem) {
    if (problem.status === 401) trouble = problem;
  }
}

export function complain(problem) {
  trouble = problem;
  changed();
}

// If the table versions of a cursor are gone, the search begins anew.
export function retry() {
  if (isCursorGone()) return search(results.asked);
  trouble = null;
  if (isSearch(results.asked)) fetchHits();
  else changed();
}

export const isCursorGone = () => trouble?.status === 400 && trouble.field === "cursor";
