// What the page asks of the server. A failure is thrown as { status, title, detail }; status 0: no answer.

export const PAGE_SIZE = 60;

const STORED_KEY = 'bucketlens.api-key';
const blobAddresses = new Map(); // path → promise of a blob: address, only with an API key

export const hasKey = () => sessionStorage.getItem(STORED_KEY) !== null;

/** From now on every request carries this API key, as long as the tab is open. */
export function useKey(key) {
  sessionStorage.setItem(STORED_KEY, key);
  blobAddresses.clear();
}

async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (hasKey()) headers.set('Authorization', `Bearer ${sessionStorage.getItem(STORED_KEY)}`);
  const response = await fetch(path, { ...options, headers }).catch(() => { throw { status: 0 }; });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw { ...problem, status: response.status };
}

const askJson = async (path, options) => (await ask(path, options)).json();

export const askStatus = () => askJson('/v1/status');

/** Hits for words, for an indexed image or for an uploaded picture, from place `offset` on. */
export function askHits({ words, imageId, picture }, offset, signal) {
  const page = { top_k: PAGE_SIZE, offset };
  if (words) return askJson(`/v1/search?${new URLSearchParams({ q: words, ...page })}`, { signal });
  if (imageId) {
    const headers = { 'Content-Type': 'application/json' };
    return askJson('/v1/search', { method: 'POST', headers, body: JSON.stringify({ image_id: imageId, ...page }), signal });
  }
  const body = new FormData();
  for (const [name, value] of Object.entries({ ...page, image: picture })) body.set(name, value);
  return askJson('/v1/search', { method: 'POST', body, signal });
}

export const imagePath = (id, part) => `/v1/images/${encodeURIComponent(id)}/${part}`;

/** An address an <img> can load. An <img> cannot send the API key: with one, the picture is fetched as a blob. */
export async function loadable(path) {
  if (!hasKey()) return path;
  if (!blobAddresses.has(path)) {
    const address = ask(path).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    // A failure is not remembered: the next look may succeed.
    address.catch(() => blobAddresses.delete(path));
    blobAddresses.set(path, address);
  }
  return blobAddresses.get(path);
}

export function load(image, path) {
  loadable(path).then((address) => { image.src = address; }, () => image.dispatchEvent(new Event('error')));
}

const nearWindow = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    nearWindow.unobserve(target);
    load(target, target.dataset.path);
  }
}, { rootMargin: '600px' });

/** Loads the picture when it comes near the window; loading="lazy" cannot wait for a blob. */
export function loadWhenNear(image, path) {
  image.dataset.path = path;
  nearWindow.observe(image);
}

/** As `loadable`, for an original. A script may not follow the redirect to the store: the link is asked for as JSON. */
export async function askOriginal(path) {
  if (!hasKey()) return path;
  const { url } = await askJson(path, { headers: { Accept: 'application/json' }, redirect: 'manual' });
  return url;
}
