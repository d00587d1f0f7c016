// One picture, large. The address says which one; the album says which are beside it.

import { go, imageInAddress } from "./address.js";
import { drawCaptioning } from "./captioning.js";
import { element, make, on } from "./elements.js";
import { focusTile, linkAdding } from "./grid.js";
import { captionOf, drawSaid, drawSignals } from "./said.js";
import { fetchMore, keyIsMissing, results } from "./search.js";
import { askFacts, askOriginal, imagePath } from "./server.js";
import { listenToSharing } from "./sharing.js";
import { loadable } from "./thumbnails.js";
import { bytes, formatName, instant, number, say } from "./words.js";

const SWIPE_PX = 60;
const DEGREES = { maximumFractionDigits: 4 };

const viewer = element("viewer");
const picture = element("viewer-picture");
const pictures = new Map(); // id → what is known of a picture that is no hit
let shown = null; // the hit in sight
let loading = null; // its original that is on the way: { original, control }

export const viewerIsOpen = () => viewer.open;

const placeOf = (id) => results.hits.findIndex((hit) => hit.image_id === id);

const found = {
  find: (id) => results.hits[placeOf(id)],
  has(id, distance) {
    const place = placeOf(id);
    return (
      place >= 0 &&
      place + distance >= 0 &&
      (place + distance < results.hits.length || Boolean(results.cursor))
    );
  },
  async beside(id, distance) {
    const place = placeOf(id) + distance;
    if (place === results.hits.length) await fetchMore();
    return results.hits[place];
  },
  focus: focusTile,
};
let album = found;

/** Sets the album that orders the pictures; without one, the search does. */
export const useAlbum = (other = found) => {
  album = other;
};

function hitOf(id) {
  const stub = {
    image_id: id,
    thumbnail_url: imagePath(id, "thumbnail"),
    url: imagePath(id, "original"),
  };
  const hit = album.find(id) ?? pictures.get(id) ?? stub;
  if (hit === stub) pictures.set(id, stub);
  if (hit.isAsked) return hit;
  hit.isAsked = true;
  askFacts(id).then(
    (facts) => drawIfShown(Object.assign(hit, facts, { isWhole: true })),
    (problem) => {
      hit.isAsked = problem.status === 404;
    },
  );
  return hit;
}

function drawIfShown(hit) {
  if (viewer.open && shown === hit) drawFacts(hit);
}

/**
 * Shows the picture of the address, or none. The open picture keeps its focus: only `again` draws
 * it anew.
 */
export function followImage({ again = false } = {}) {
  const id = imageInAddress();
  if (!id || keyIsMissing()) return viewer.close();
  const hit = hitOf(id);
  element("previous").disabled = !album.has(id, -1);
  element("next").disabled = !album.has(id, 1);
  if (again || !viewer.open || shown !== hit) draw(hit);
  if (viewer.open) return;
  viewer.showModal();
  element("stage").focus();
}

function draw(hit) {
  shown = hit;
  viewer.querySelector("aside").scrollTop = 0;
  element("viewer-similar").href = `/?like=${hit.image_id}`;
  linkAdding(element("viewer-add"), hit.image_id);
  drawFacts(hit);
  if (picture.dataset.image !== hit.image_id) drawOriginal(hit);
}

function drawFacts(hit) {
  element("viewer-key").textContent = hit.key ?? hit.image_id;
  picture.alt = captionOf(hit)?.text ?? hit.key ?? "";
  for (const side of ["width", "height"]) picture.setAttribute(side, hit[side] ?? "");
  element("viewer-facts").replaceChildren(...factLines(hit));
  drawSaid(hit);
  drawSignals(
    hit,
    results.hits.some(({ signals }) => Object.keys(signals ?? {}).length > 1),
  );
  drawCaptioning(hit, () => drawIfShown(hit));
}

function factLines(hit) {
  const facts = {
    size: hit.width && `${hit.width} × ${hit.height}`,
    file:
      hit.size_bytes &&
      [hit.format && formatName(hit.format), bytes(hit.size_bytes)].filter(Boolean).join(" · "),
    takenAt: hit.taken_at && instant(hit.taken_at),
    camera: hit.camera,
    place:
      Number.isFinite(hit.latitude) &&
      Number.isFinite(hit.longitude) &&
      `${number(hit.latitude, DEGREES)}°, ${number(hit.longitude, DEGREES)}°`,
    storedAt: hit.last_modified && instant(hit.last_modified),
    scoreLabel: hit.score?.toFixed(4),
    model: hit.signals && results.answer?.model,
    bucket: hit.bucket,
  };
  const lines = Object.entries(facts).filter(([, value]) => value);
  return lines.flatMap(([name, value]) => [make("dt", {}, say(name)), make("dd", {}, value)]);
}

// An original may have a hundred megabytes.
function giveUpOriginal() {
  loading?.control.abort();
  loading?.original.removeAttribute("src");
  loading = null;
}

async function drawOriginal(hit) {
  giveUpOriginal();
  const isCurrent = () => picture.dataset.image === hit.image_id;
  const show = (address) => {
    if (isCurrent()) picture.src = address;
  };
  picture.removeAttribute("src");
  picture.dataset.image = hit.image_id;
  element("viewer-original").href = hit.url;
  const download = `${hit.url}?download=true`;
  element("viewer-download").href = download;
  element("viewer-note").hidden = true;
  await loadable(hit.thumbnail_url).then(show, () => {});
  if (!isCurrent()) return;
  const [original, control] = [new Image(), new AbortController()];
  loading = { original, control };
  try {
    const address = await askOriginal(hit.url, control.signal);
    const saved = await askOriginal(download, control.signal);
    if (!isCurrent()) return;
    original.src = address;
    element("viewer-original").href = original.src;
    element("viewer-download").href = saved;
    await original.decode();
    show(original.src);
  } catch {
    if (isCurrent()) element("viewer-note").hidden = false;
  }
}

export async function step(distance) {
  const id = imageInAddress();
  const hit = album.has(id, distance) && (await album.beside(id, distance));
  if (hit && viewer.open && imageInAddress() === id)
    go(`#image=${hit.image_id}`, history.state, { replace: true });
}

function leaveImage() {
  const id = imageInAddress();
  delete picture.dataset.image;
  giveUpOriginal();
  shown = null;
  if (!id || keyIsMissing()) return;
  if (history.state?.opened) history.back();
  else go(location.pathname + location.search, history.state ?? {});
  album.focus(id);
}

export function listenToViewer() {
  let touchedAt = null; // null: no finger, or several, which zoom
  on("viewer", "close", leaveImage);
  on("viewer-close", "click", () => viewer.close());
  listenToSharing();
  on("previous", "click", () => step(-1));
  on("next", "click", () => step(1));
  on("stage", "touchstart", ({ touches }) => {
    touchedAt = touches.length === 1 && visualViewport.scale < 1.01 ? touches[0].clientX : null;
  });
  on("stage", "touchend", ({ touches, changedTouches }) => {
    const moved = touchedAt === null ? 0 : changedTouches[0].clientX - touchedAt;
    if (Math.abs(moved) > SWIPE_PX && !touches.length) step(-Math.sign(moved));
  });
}
