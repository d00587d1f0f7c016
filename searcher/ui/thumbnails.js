// Thumbnails. One that the server refuses because it is busy is asked for again before it counts as
// missing.

import { ask, hasKey } from "./server.js";

const KEPT_BLOBS = 500;
const MOST_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 20_000;

// Path → promise of a blob: address, oldest first.
const blobAddresses = new Map();

export const forgetBlobs = () => blobAddresses.clear();

const mayPass = ({ status }) => [0, 429, 502, 503, 504].includes(status);

// The server's pause, or a longer one every time. Those that were refused together do not come back
// together.
function pauseAfter(attempt, { retryAfter }) {
  const pause = Math.max(retryAfter * 1000, FIRST_PAUSE_MS * 2 ** attempt);
  return Math.min(pause, LONGEST_PAUSE_MS) * (1 + Math.random());
}

async function askPatiently(path, attempt = 1) {
  try {
    return await ask(path);
  } catch (problem) {
    if (!mayPass(problem) || attempt === MOST_ATTEMPTS) throw problem;
    await new Promise((resolve) => {
      setTimeout(resolve, pauseAfter(attempt, problem));
    });
    return askPatiently(path, attempt + 1);
  }
}

function blobOf(path) {
  if (!blobAddresses.has(path)) {
    const address = askPatiently(path)
      .then((response) => response.blob())
      .then((blob) => URL.createObjectURL(blob));
    address.catch(() => blobAddresses.delete(path));
    blobAddresses.set(path, address);
    if (blobAddresses.size > KEPT_BLOBS) forgetOldestBlob();
  }
  return blobAddresses.get(path);
}

// A picture that is shown does not need its object URL any more.
function forgetOldestBlob() {
  const [path, address] = blobAddresses.entries().next().value;
  blobAddresses.delete(path);
  address.then(URL.revokeObjectURL, () => {});
}

// An <img> cannot send the API key: with one, the picture is fetched as a blob.
export const loadable = async (path) => (hasKey() ? blobOf(path) : path);

const shows = (image, address) =>
  new Promise((resolve) => {
    image.onload = () => resolve(true);
    image.onerror = () => resolve(false);
    image.src = address;
  });

/** Shows a thumbnail; an image that has none gets the event `missing`. */
export async function load(image, path) {
  image.dataset.path = path;
  const isWanted = () => image.dataset.path === path;
  try {
    // An <img> does not say why it failed, and does not try again.
    if (!hasKey() && (await shows(image, path))) return;
    const address = await blobOf(path);
    if (!isWanted() || (await shows(image, address))) return;
  } catch {
    // It is missing.
  }
  if (isWanted()) image.dispatchEvent(new Event("missing"));
}

const nearWindow = new IntersectionObserver(
  (entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      nearWindow.unobserve(target);
      load(target, target.dataset.path);
    }
  },
  { rootMargin: "600px" },
);

// loading="lazy" cannot wait for a blob.
export function loadWhenNear(image, path) {
  image.dataset.path = path;
  nearWindow.observe(image);
}

/** Empties an element and cancels the pictures it still loads: visible ones would wait for them. */
export function clearPictures(place) {
  for (const image of place.querySelectorAll("img")) {
    delete image.dataset.path;
    if (!image.complete) image.removeAttribute("src");
  }
  place.replaceChildren();
}
