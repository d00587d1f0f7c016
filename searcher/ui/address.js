// The address holds the whole state of the page, so links can be shared and Back works:
//   ?view=                             another view than the search, which reads the rest itself
//   ?q=words &like=image_id &url=…     what hits should be like
//   &keyword= &keyword_any= &keyword_none= &format= &missing= …      filters, see FILTERS too
//   &weights=pictures,captions,words … how hits are ordered, unless by default
//   #image=image_id                    which picture is open
// The reader's own pictures are not in the address: they are kept until the tab is closed.

import { readKeywords, sayKeywords, wantedKeywords } from "./filters/keywords.js";

export const FORMATS = ["jpeg", "png", "webp", "gif", "bmp", "tiff", "jxl", "heic", "avif"];
export const FACTS = ["taken_at", "place", "caption", "keywords"]; // what a picture can lack
export const SIGNALS = ["image", "caption_vector", "text"];
export const VIEWS = ["library", "upload", "operations"];
export const MOST_EXAMPLES = 8; // words included

const pictures = []; // uploaded pictures; history.state.pictures are places in this list
let react = () => {};

export function whenMoved(follow) {
  react = follow;
  addEventListener("popstate", () => follow({ reuse: true }));
}

export const imageInAddress = () => new URLSearchParams(location.hash.slice(1)).get("image");

const oneOf = (known, value) => (known.includes(value) ? value : null);
const unique = (values) => [...new Set(values.map((value) => value.trim()).filter(Boolean))];
export const isLink = (text) => /^https?:\/\/\S+$/.test(text) && URL.canParse(text);
const positive = (text) => (Number(text) > 0 && Number(text) < 1e9 ? Number(text) : null);

function day(text) {
  if (!/^(19|2\d)\d\d-\d\d-\d\d$/.test(text ?? "")) return null;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text) ? text : null;
}

// With a slash at its end, so that "draft" is not "drafts" too.
function folder(text) {
  const name = text?.trim();
  return name ? name + (name.endsWith("/") ? "" : "/") : null;
}

// Filters with one value: name here, name in the address, and how the value is read.
export const FILTERS = [
  ["orientation", "orientation", (text) => oneOf(["landscape", "portrait", "square"], text)],
  ["from", "from", day],
  ["to", "to", day],
  ["minWidth", "min_width", (text) => Math.round(positive(text)) || null],
  ["minMegabytes", "min_mb", positive],
  ["folder", "folder", folder],
  ["excludedFolder", "not_folder", folder],
];

function readWeights(text) {
  const values = (text ?? "").split(",").map(Number);
  const sound =
    values.length === SIGNALS.length && values.every((value) => value >= 0 && value <= 2);
  if (!text || !sound || !values.some(Boolean)) return null;
  return Object.fromEntries(SIGNALS.map((signal, place) => [signal, values[place]]));
}

export const saidInAddress = (name) => new URLSearchParams(location.search).get(name);

export const viewInAddress = () => oneOf(VIEWS, saidInAddress("view")) ?? "search";

export function readAddress() {
  const said = new URLSearchParams(location.search);
  const relevant = said.get("relevant");
  return {
    words: said.get("q")?.trim() || null,
    imageIds: unique(said.getAll("like")).slice(0, MOST_EXAMPLES),
    urls: unique(said.getAll("url")).filter(isLink).slice(0, MOST_EXAMPLES),
    pictures: (history.state?.pictures ?? []).map((place) => pictures[place]).filter(Boolean),
    keywords: readKeywords(said),
    formats: FORMATS.filter((format) => said.getAll("format").includes(format)),
    missing: FACTS.filter((fact) => said.getAll("missing").includes(fact)),
    ...Object.fromEntries(
      FILTERS.map(([name, inAddress, read]) => [name, read(said.get(inAddress))]),
    ),
    weights: readWeights(said.get("weights")),
    fusion: oneOf(["rrf"], said.get("fusion")) ?? "weighted",
    relevant: relevant === "yes" || (relevant === "no" ? false : null),
    sort: oneOf(["taken_at"], said.get("sort")) ?? "relevance",
  };
}

export function addressOf(asked) {
  const said = new URLSearchParams();
  const say = (name, value) => {
    if (value) said.append(name, value);
  };
  say("q", asked.words);
  asked.imageIds.forEach((id) => say("like", id));
  asked.urls.forEach((url) => say("url", url));
  sayKeywords(asked.keywords, say);
  asked.formats.forEach((format) => say("format", format));
  asked.missing.forEach((fact) => say("missing", fact));
  FILTERS.forEach(([name, inAddress]) => say(inAddress, asked[name]));
  say("weights", asked.weights && SIGNALS.map((signal) => asked.weights[signal]).join());
  say("fusion", asked.fusion !== "weighted" && asked.fusion);
  say("relevant", asked.relevant !== null && (asked.relevant ? "yes" : "no"));
  say("sort", asked.sort !== "relevance" && asked.sort);
  return said.size ? `/?${said}` : "/";
}

const placesOf = (asked) => asked.pictures.map((picture) => pictures.indexOf(picture));

export const stateOf = (asked) => (asked.pictures.length ? { pictures: placesOf(asked) } : {});

export const idOf = (asked) =>
  `${asked.pictures.length ? `pictures ${placesOf(asked)} ` : ""}${addressOf(asked)}`;

export const hasExamples = ({ imageIds, urls, pictures: own }) =>
  imageIds.length + urls.length + own.length > 0;

export const isSearch = (asked) =>
  Boolean(asked.words || hasExamples(asked) || wantedKeywords(asked.keywords).length);

export const isRelevantOnly = (asked) =>
  asked.relevant ?? Boolean(asked.words && !hasExamples(asked));

export const hasFilters = (asked) =>
  ["keywords", "formats", "missing"].some((name) => asked[name].length > 0) ||
  FILTERS.some(([name]) => asked[name]);

export function go(address, state = {}, { replace = false } = {}) {
  const same =
    address === location.pathname + location.search &&
    String(state.pictures) === String(history.state?.pictures);
  history[replace || same ? "replaceState" : "pushState"](state, "", address);
  react({ reuse: false });
}

// Consecutive changes of one kind (`step`: typing, moving a slider) are one step for Back.
export function change(part, step) {
  const asked = { ...readAddress(), ...part };
  go(
    addressOf(asked),
    { ...stateOf(asked), step },
    { replace: step && history.state?.step === step },
  );
}

// Pictures of the query stand among the examples.
const roomFor = ({ words, imageIds, urls }) =>
  Math.max(MOST_EXAMPLES - imageIds.length - urls.length - (words ? 1 : 0), 1);

export function addPictures(files) {
  const asked = readAddress();
  pictures.push(...files);
  if (viewInAddress() === "search" && hasExamples(asked))
    return change({ pictures: [...asked.pictures, ...files].slice(-roomFor(asked)) });
  go("/", stateOf({ pictures: files.slice(0, MOST_EXAMPLES) }));
}
