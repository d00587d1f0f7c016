// All pictures by date, newest first. The address may name the month to begin with:
// ?view=library&to=2024-06.

import { saidInAddress, viewInAddress } from "../address.js";
import { element } from "../elements.js";
import { complain } from "../search.js";
import { followImage, useAlbum } from "../viewer.js";
import { say } from "../words.js";
import { askMonths, drawMonths, listenToMonths, markMonth, monthName } from "./months.js";
import {
  album,
  begin,
  grow,
  hasBegun,
  lookAgain,
  monthInSight,
  redraw,
  whenGrown,
} from "./pages.js";
import "./words.js";

let until = null; // the newest month shown, null for all
let total = null; // how many pictures that are, null while unknown
let scroll = 0;
let isFollowing = false;

const readMonth = () =>
  /^\d{4}-(0[1-9]|1[0-2])$/.test(saidInAddress("to") ?? "") ? saidInAddress("to") : null;

export function start() {
  listenToMonths();
  whenGrown((answer, problem) => {
    if (problem) complain({ title: say("libraryFailed"), ...problem });
    total = answer?.total ?? total;
    drawSummary();
    followImage();
  });
}

export function show({ reuse, came }) {
  const asked = readMonth();
  useAlbum(album);
  if (came) addEventListener("scroll", follow, { passive: true });
  if (reuse && came && asked === until && total !== null) {
    scrollTo(0, scroll);
    lookAgain();
  } else if (came || asked !== until) {
    until = asked;
    scrollTo(0, 0);
    beginAnew();
  }
}

export function hide() {
  removeEventListener("scroll", follow);
  useAlbum();
}

export function draw() {
  drawMonths(until);
  redraw();
  drawSummary();
}

/** Continues after a failure. */
export async function retry() {
  if (!hasBegun()) return beginAnew();
  lookAgain();
  return grow();
}

async function beginAnew() {
  total = null;
  begin(until);
  drawSummary();
  await askMonths().catch(() => {});
  drawMonths(until);
  await grow();
}

function drawSummary() {
  const words = until ? say("countUntil", total, monthName(until)) : say("pictureCount", total);
  element("library-summary").textContent = total === null ? "" : words;
}

function follow() {
  if (isFollowing) return;
  isFollowing = true;
  requestAnimationFrame(() => {
    isFollowing = false;
    if (viewInAddress() !== "library") return;
    scroll = scrollY;
    markMonth(monthInSight());
  });
}
