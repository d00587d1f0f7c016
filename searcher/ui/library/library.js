// Everything there is by date, newest first. The address may say from which month on: ?view=library&to=2024-06.

import { saidInAddress, viewInAddress } from '../address.js';
import { element, on } from '../elements.js';
import { complain, keyIsMissing } from '../search.js';
import { followImage, useAlbum } from '../viewer.js';
import { say } from '../words.js';
import { askMonths, drawMonths, listenToMonths, markMonth, monthName, newerThan } from './months.js';
import { album, begin, grow, lookAgain, monthInSight, redraw, whenGrown } from './pages.js';
import './words.js';

let until = null; // the newest month shown, null for all
let scroll = 0;
let total = null;
let trouble = null;

const readMonth = () => (/^\d{4}-(0[1-9]|1[0-2])$/.test(saidInAddress('to') ?? '') ? saidInAddress('to') : null);

export function start() {
  listenToMonths();
  on('library-retry', 'click', retry);
  whenGrown((answer, problem) => {
    total = answer?.total ?? total;
    trouble = problem ?? null;
    if (problem?.status === 401) complain(problem);
    drawState();
    followImage();
  });
}

export async function show({ reuse, came }) {
  const asked = readMonth();
  useAlbum(album);
  if (came) addEventListener('scroll', follow, { passive: true });
  if (reuse && came && asked === until && total !== null) {
    scrollTo(0, scroll);
    return lookAgain();
  }
  if (!came && asked === until) return undefined;
  until = asked;
  scrollTo(0, 0);
  return load();
}

export function hide() {
  removeEventListener('scroll', follow);
  useAlbum();
}

export function draw() {
  drawMonths(until);
  redraw();
  drawState();
}

export const retry = () => load();

async function load() {
  trouble = null;
  total = null;
  begin(until);
  drawState();
  // Which headings pictures get depends on how many a month has.
  await askMonths().catch(() => {});
  drawMonths(until);
  await grow();
}

function drawState() {
  const missing = trouble && !keyIsMissing();
  const words = until ? say('countUntil', total, monthName(until)) : say('pictureCount', total);
  const nothing = total === 0 && !trouble;
  element('library-summary').textContent = total ? words : '';
  element('library-message').hidden = !missing && !nothing;
  element('library-retry').hidden = !missing;
  element('library-title').textContent = say(missing ? 'libraryFailed' : until ? 'noneUntil' : 'empty');
  element('library-detail').textContent = missing ? trouble.detail ?? say('unreachable') : until ? '' : say('emptyDetail');
  const newer = until && newerThan(until);
  element('newer').hidden = !newer;
  if (!newer) return;
  element('newer').textContent = say('newer', monthName(newer));
  element('newer').href = `/?view=library&to=${newer}`;
}

let isFollowing = false;

/** Marks the month in sight, once a frame at most. */
function follow() {
  if (isFollowing) return;
  isFollowing = true;
  requestAnimationFrame(() => {
    isFollowing = false;
    if (viewInAddress() !== 'library') return;
    scroll = scrollY;
    markMonth(monthInSight());
  });
}
