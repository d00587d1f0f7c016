// The address says all that is searched, so links can be shared and Back works:
//   ?q=words or ?like=image_id     what hits should be like; without either, the keywords they are narrowed to
//   &keyword= &format= …           what they are narrowed to, see FILTERS
//   &weights=pictures,captions,words &fusion= &relevant= &sort=     how they are ordered, where not as usual
//   #image=image_id                which picture is open
// An uploaded picture has no address: it lives until the tab is closed.

export const FORMATS = ['jpeg', 'png', 'webp', 'gif', 'bmp', 'tiff', 'jxl', 'heic', 'avif'];
export const SIGNALS = ['image', 'caption_vector', 'text'];

const pictures = []; // uploaded pictures; history.state.picture is a place in this list
let react = () => {};

/** `follow({ reuse })` is called at every change of the address; `reuse` when the reader went back or forward. */
export function whenMoved(follow) {
  react = follow;
  addEventListener('popstate', () => follow({ reuse: true }));
}

export const imageInAddress = () => new URLSearchParams(location.hash.slice(1)).get('image');

const oneOf = (known, value) => (known.includes(value) ? value : null);
const unique = (values) => [...new Set(values.map((value) => value.trim()).filter(Boolean))];
const positive = (text) => (Number(text) > 0 && Number(text) < 1e9 ? Number(text) : null);

/** A day as `<input type="date">` writes it; null for what is none, such as a year that is still being typed. */
function day(text) {
  if (!/^(19|2\d)\d\d-\d\d-\d\d$/.test(text ?? '')) return null;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text) ? text : null;
}

/** Filters with one value: its name here, its name in the address, and how it is read; what makes no sense is null. */
export const FILTERS = [
  ['orientation', 'orientation', (text) => oneOf(['landscape', 'portrait', 'square'], text)],
  ['from', 'from', day],
  ['to', 'to', day],
  ['minWidth', 'min_width', (text) => Math.round(positive(text)) || null],
  ['minMegabytes', 'min_mb', positive],
];

function readWeights(text) {
  const values = (text ?? '').split(',').map(Number);
  const sound = values.length === SIGNALS.length && values.every((value) => value >= 0 && value <= 2);
  if (!text || !sound || !values.some(Boolean)) return null;
  return Object.fromEntries(SIGNALS.map((signal, place) => [signal, values[place]]));
}

/** What the address asks for. Whatever makes no sense there is left out. */
export function readAddress() {
  const said = new URLSearchParams(location.search);
  const imageId = said.get('like');
  const words = imageId ? null : said.get('q')?.trim() || null;
  const relevant = said.get('relevant');
  return {
    words,
    imageId,
    picture: (words || imageId ? null : pictures[history.state?.picture]) ?? null,
    keywords: unique(said.getAll('keyword')),
    formats: FORMATS.filter((format) => said.getAll('format').includes(format)),
    ...Object.fromEntries(FILTERS.map(([name, inAddress, read]) => [name, read(said.get(inAddress))])),
    weights: readWeights(said.get('weights')),
    fusion: oneOf(['rrf'], said.get('fusion')) ?? 'weighted',
    relevant: relevant === 'yes' || (relevant === 'no' ? false : null),
    sort: oneOf(['taken_at'], said.get('sort')) ?? 'relevance',
  };
}

/** The address that asks for this; what is as usual does not stand in it. */
export function addressOf(asked) {
  const said = new URLSearchParams();
  const say = (name, value) => { if (value) said.append(name, value); };
  say('like', asked.imageId);
  if (!asked.imageId) say('q', asked.words);
  asked.keywords.forEach((keyword) => say('keyword', keyword));
  asked.formats.forEach((format) => say('format', format));
  FILTERS.forEach(([name, inAddress]) => say(inAddress, asked[name]));
  say('weights', asked.weights && SIGNALS.map((signal) => asked.weights[signal]).join());
  say('fusion', asked.fusion !== 'weighted' && asked.fusion);
  say('relevant', asked.relevant !== null && (asked.relevant ? 'yes' : 'no'));
  say('sort', asked.sort !== 'relevance' && asked.sort);
  return said.size ? `/?${said}` : '/';
}

/** Two searches with the same id have the same hits. */
export const idOf = (asked) => `${asked.picture ? `picture ${pictures.indexOf(asked.picture)} ` : ''}${addressOf(asked)}`;

/** Whether there is anything hits could be like: filters alone are no search. */
export const isSearch = ({ words, imageId, picture, keywords }) => Boolean(words || imageId || picture || keywords.length);

/** Whether weak matches are left out: as usual only of what was found by words. */
export const isRelevantOnly = ({ relevant, words }) => relevant ?? Boolean(words);

export const hasFilters = (asked) => (
  Boolean(asked.keywords.length || asked.formats.length || FILTERS.some(([name]) => asked[name])));

export function go(address, state = {}, { replace = false } = {}) {
  const same = address === location.pathname + location.search && state.picture === history.state?.picture;
  history[replace || same ? 'replaceState' : 'pushState'](state, '', address);
  react({ reuse: false });
}

/**
 * Asks for the same with `part` changed. Changes of one kind that follow each other (`step`: typing, moving a slider) are one
 * step for Back.
 */
export function change(part, step) {
  const asked = { ...readAddress(), ...part };
  const state = { step };
  if (asked.picture) state.picture = pictures.indexOf(asked.picture);
  go(addressOf(asked), state, { replace: step && history.state?.step === step });
}

/** Searches by a picture of the reader's. */
export function goToPicture(file) {
  go('/', { picture: pictures.push(file) - 1 });
}
