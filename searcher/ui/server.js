// Requests to the server. A failure is thrown as { status, title, detail }; status 0: no answer.

import { hasExamples, hasFilters, isRelevantOnly } from "./address.js";

const PAGE_SIZE = 60;
const LONGEST_MS = 60_000; // the server gives up before

const KEPT_BLOBS = 500;

// Two keys, kept until the tab is closed: one to search, one to operate.
const keyFor = (isOperators) => (isOperators ? "bucketlens.operators-key" : "bucketlens.api-key");
// Path → promise of a blob: address, oldest first. Only with an API key.
const blobAddresses = new Map();

export const hasKey = (isOperators) => sessionStorage.getItem(keyFor(isOperators)) !== null;

export function useKey(key, isOperators) {
  sessionStorage.setItem(keyFor(isOperators), key);
  blobAddresses.clear();
}

export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  const key = sessionStorage.getItem(keyFor(path.startsWith("/v1/ops/")));
  if (key !== null) headers.set("Authorization", `Bearer ${key}`);
  const signal = AbortSignal.any([
    AbortSignal.timeout(LONGEST_MS),
    ...(options.signal ? [options.signal] : []),
  ]);
  const response = await fetch(path, { ...options, headers, signal }).catch(() => {
    throw { status: 0 };
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw { ...problem, status: response.status };
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export const sendJson = (path, body, options) =>
  askJson(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...options,
  });

export const askStatus = () => askJson("/v1/status");

const endOf = (day) => new Date(Date.parse(day) + 86_400_000).toISOString();

function filterOf(asked) {
  return {
    keywords: asked.keywords,
    formats: asked.formats,
    orientation: asked.orientation,
    taken_after: asked.from && `${asked.from}T00:00:00Z`,
    taken_before: asked.to && endOf(asked.to),
    min_width: asked.minWidth,
    min_size_bytes: asked.minMegabytes && Math.round(asked.minMegabytes * 1e6),
  };
}

export function askHits(asked, cursor, signal) {
  const { words, imageIds, urls, pictures, keywords, weights, fusion, sort } = asked;
  const question = {
    top_k: PAGE_SIZE,
    fusion,
    sort,
    cutoff: isRelevantOnly(asked) ? "auto" : "none",
  };
  if (hasFilters(asked)) question.filter = filterOf(asked);
  if (weights) question.weights = weights;
  if (cursor) question.cursor = cursor;
  if (words || !hasExamples(asked)) question.text = words ?? keywords.join(" ");
  if (pictures.length)
    return askJson("/v1/search", { method: "POST", body: formOf(question, asked), signal });
  question.examples = [
    ...imageIds.map((id) => ({ image_id: id })),
    ...urls.map((url) => ({ image_url: url })),
  ];
  return sendJson("/v1/search", question, { signal });
}

function formOf(question, { imageIds, urls, pictures }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(question)) {
    form.set(name, name === "filter" || name === "weights" ? JSON.stringify(value) : value);
  }
  imageIds.forEach((id) => form.append("image_id", id));
  urls.forEach((url) => form.append("image_url", url));
  pictures.forEach((picture) => form.append("image", picture));
  return form;
}

export const askFacts = (id) => askJson(`/v1/images/${encodeURIComponent(id)}`);

export const askForCaption = (id) => ask(imagePath(id, "caption"), { method: "POST" });

export const imagePath = (id, part) => `/v1/images/${encodeURIComponent(id)}/${part}`;

// An <img> cannot send the API key: with one, the picture is fetched as a blob.
export async function loadable(path) {
  if (!hasKey()) return path;
  if (!blobAddresses.has(path)) {
    const address = ask(path)
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

export function load(image, path) {
  loadable(path).then(
    (address) => {
      image.src = address;
    },
    () => image.dispatchEvent(new Event("error")),
  );
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
  for (const image of place.querySelectorAll("img"))
    if (!image.complete) image.removeAttribute("src");
  place.replaceChildren();
}

// A script must not follow the redirect to the store, so it asks for the link as JSON.
export async function askOriginal(path) {
  if (!hasKey()) return path;
  const { url } = await askJson(path, {
    headers: { Accept: "application/json" },
    redirect: "manual",
  });
  return url;
}
