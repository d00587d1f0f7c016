// The library, page by page. Pages far from the window keep only their cursor and their height, so
// that a hundred thousand pictures can be scrolled through.

import { imageInAddress } from "../address.js";
import { element, make } from "../elements.js";
import { focusTile, tile } from "../grid.js";
import { askJson } from "../server.js";
import { clearPictures } from "../thumbnails.js";
import { headingOf } from "./months.js";

const PAGE_SIZE = 100;
const NEAR = "1500px";

// A page: where it begins, where the next one does, which pictures the page before left to it and
// which it left to the next (so that no row but the last is short), and its pictures while it is
// near.
let pages = [];
let until = null;
let growing = null;
let grown = () => {};

export const whenGrown = (react) => {
  grown = react;
};

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const page = pages.find((known) => known.element === target);
      if (!page) continue;
      page.isNear = isIntersecting;
      // The page may be far from the window again by then.
      if (isIntersecting)
        fill(page).then(
          () => page.isNear || empty(page),
          (problem) => grown(null, problem),
        );
      else empty(page);
    }
  },
  { rootMargin: NEAR },
);

const nearEnd = new IntersectionObserver(
  (entries) => {
    if (entries.at(-1).isIntersecting) grow();
  },
  { rootMargin: NEAR },
);

export function begin(month) {
  until = month;
  pages = [];
  growing = null;
  near.disconnect();
  nearEnd.disconnect();
  clearPictures(element("pages"));
}

export async function grow() {
  const last = pages.at(-1);
  if (growing || (last && !last.next)) return;
  const page = {
    cursor: last?.next ?? null,
    next: null,
    carried: last?.given ?? [],
    given: [],
    pictures: null,
    element: make("section.page.waiting"),
  };
  growing = page;
  pages.push(page);
  element("pages").append(page.element);
  const answer = await fill(page).catch((problem) => ({ problem }));
  if (growing !== page) return;
  growing = null;
  if (answer.problem) {
    pages.pop().element.remove();
    return grown(null, answer.problem);
  }
  near.observe(page.element);
  grown(answer);
  nearEnd.unobserve(element("pages-end"));
  nearEnd.observe(element("pages-end"));
}

const lastDay = (month) =>
  new Date(Date.UTC(...month.split("-").map(Number), 0)).toISOString().slice(0, 10);

function fill(page) {
  page.filling ??= ask(page).finally(() => {
    page.filling = null;
  });
  return page.filling;
}

async function ask(page) {
  if (page.pictures) return null;
  const question = new URLSearchParams({ limit: PAGE_SIZE });
  if (until) question.set("to", lastDay(until));
  if (page.cursor) question.set("cursor", page.cursor);
  const answer = await askJson(`/v1/library?${question}`);
  if (!pages.includes(page)) return answer;
  const isNew = page.element.classList.contains("waiting");
  page.next = answer.next_cursor;
  page.pictures = [
    ...page.carried,
    ...answer.pictures.slice(0, answer.pictures.length - page.given.length),
  ];
  draw(page);
  if (isNew && page.next && page.element.offsetHeight) handOver(page);
  return answer;
}

/** Moves a last row that may be short to the next page. */
function handOver(page) {
  const tiles = [...page.element.lastElementChild.children];
  const row = tiles.filter((one) => one.offsetTop === tiles.at(-1).offsetTop);
  if (row.length === page.pictures.length) return;
  page.given = page.pictures.splice(-row.length);
  row.forEach((one) => one.remove());
  const grid = page.element.lastElementChild;
  if (grid.childElementCount) return;
  grid.previousElementSibling?.remove();
  grid.remove();
}

const dayOf = (picture) => picture.date.slice(0, 10);

function draw(page) {
  const before = pages[pages.indexOf(page) - 1]?.heading;
  const groups = new Map();
  for (const picture of page.pictures) {
    const heading = headingOf(dayOf(picture));
    if (!groups.has(heading)) groups.set(heading, []);
    groups.get(heading).push(picture);
  }
  const parts = [...groups].flatMap(([heading, pictures]) => {
    const grid = make("ul.grid", {}, ...pictures.map(tile));
    const head = make("h2.day", { textContent: heading });
    for (const part of [grid, head]) part.dataset.month = pictures[0].date.slice(0, 7);
    return heading === before ? [grid] : [head, grid];
  });
  page.heading = [...groups.keys()].at(-1);
  page.element.replaceChildren(...parts);
  page.element.classList.remove("waiting");
  page.element.style.height = "";
}

function empty(page) {
  // While another view is shown, no page is near the window or has a height.
  if (!page.pictures || page.filling || !page.element.offsetHeight) return;
  // The neighbours of the open picture are here.
  if (page.pictures.some((picture) => picture.image_id === imageInAddress())) return;
  page.element.style.height = `${page.element.offsetHeight}px`;
  clearPictures(page.element);
  page.pictures = null;
}

export const redraw = () => pages.filter((page) => page.pictures).forEach(draw);

export const hasBegun = () => pages.some(({ pictures, next }) => pictures || next);

export function lookAgain() {
  for (const page of pages) {
    near.unobserve(page.element);
    near.observe(page.element);
  }
}

export function monthInSight() {
  const parts = element("pages").querySelectorAll("[data-month]");
  const top = document.querySelector("header").offsetHeight + 60;
  return (
    [...parts].findLast((part) => part.getBoundingClientRect().top <= top)?.dataset.month ??
    parts[0]?.dataset.month
  );
}

function placeOf(id) {
  const page = pages.find(({ pictures }) => pictures?.some((picture) => picture.image_id === id));
  return { page, place: page ? page.pictures.findIndex((picture) => picture.image_id === id) : -1 };
}

export const album = {
  find: (id) => placeOf(id).page?.pictures[placeOf(id).place],
  has(id, distance) {
    const { page, place } = placeOf(id);
    if (!page) return false;
    const isInside = place + distance >= 0 && place + distance < page.pictures.length;
    return isInside || (distance < 0 ? pages[0] !== page : Boolean(page.next));
  },
  async beside(id, distance) {
    const { page, place } = placeOf(id);
    if (page.pictures[place + distance]) return page.pictures[place + distance];
    if (distance > 0 && page === pages.at(-1)) await grow();
    const other = pages[pages.indexOf(page) + distance];
    if (other) await fill(other).catch(() => {});
    return other?.pictures?.at(distance > 0 ? 0 : -1);
  },
  focus(id) {
    focusTile(id);
    lookAgain();
  },
};
