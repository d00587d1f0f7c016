// Requests to the server. A failure is thrown as { status, title, detail, retryAfter, isOperators }
// (status 0: no answer; retryAfter: in seconds; isOperators: the operators’ key is the wrong one).

import { hasExamples, hasFilters, isRelevantOnly } from "./address.js";
import { keywordFilter, wantedKeywords } from "./filters/keywords.js";
import { ofTab } from "./storage.js";

const PAGE_SIZE = 60;
const LONGEST_MS = 60_000; // the server gives up before

// Two keys, kept until the tab is closed: one to search, one to operate.
const keyFor = (isOperators) => (isOperators ? "bucketlens.operators-key" : "bucketlens.api-key");

const keyOf = (isOperators) => ofTab.get(keyFor(isOperators));

export const hasKey = (isOperators) => keyOf(isOperators) !== null;

export const useKey = (key, isOperators) => ofTab.set(keyFor(isOperators), key);

export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (hasKey()) headers.set("Authorization", `Bearer ${keyOf()}`);
  if (path.startsWith("/v1/ops/") && hasKey(true)) headers.set("Operators-Key", keyOf(true));
  const signal = AbortSignal.any([
    AbortSignal.timeout(LONGEST_MS),
    ...(options.signal ? [options.signal] : []),
  ]);
  const response = await fetch(path, { ...options, headers, signal }).catch(() => {
    throw { status: 0, retryAfter: 0 };
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const { status, headers: answered } = response;
  throw {
    ...problem,
    status,
    retryAfter: Number(answered.get("Retry-After")) || 0,
    isOperators: answered.get("WWW-Authenticate")?.includes("operators") ?? false,
  };
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

const listOf = (value) => (value ? [value] : []);
const endOf = (day) => new Date(Date.parse(day) + 86_400_000).toISOString();

function filterOf(asked) {
  return {
    keywords: keywordFilter(asked.keywords),
    formats: asked.formats,
    missing: asked.missing,
    prefix: { any: listOf(asked.folder), none: listOf(asked.excludedFolder) },
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
  if (words || !hasExamples(asked)) question.text = words ?? wantedKeywords(keywords).join(" ");
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

// A script must not follow the redirect to the store, so it asks for the link as JSON.
export async function askOriginal(path, signal) {
  if (!hasKey()) return path;
  const { url } = await askJson(path, {
    signal,
    headers: { Accept: "application/json" },
    redirect: "manual",
  });
  return url;
}
