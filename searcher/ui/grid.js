import { MOST_EXAMPLES, addressOf, isSearch, readAddress, viewInAddress } from "./address.js";
import { copyOf, element, make, on } from "./elements.js";
import { captionOf } from "./said.js";
import { fetchMore, results, running, trouble } from "./search.js";
import { clearPictures, loadWhenNear } from "./thumbnails.js";

const MOST_BY_THEMSELVES = 1200;

const grid = element("grid");
let drawn = null; // results the tiles are of

export function drawGrid({ again = false } = {}) {
  grid.setAttribute("aria-busy", Boolean(running));
  if (running && !results.answer && !again) return;
  if (again || drawn !== results) clearPictures(grid);
  drawn = results;
  grid.append(...results.hits.slice(grid.childElementCount).map(tile));
  nearEnd.unobserve(element("more"));
  nearEnd.observe(element("more"));
}

const nearEnd = new IntersectionObserver(
  (entries) => {
    if (entries.at(-1).isIntersecting && !trouble && results.hits.length < MOST_BY_THEMSELVES)
      fetchMore();
  },
  { rootMargin: "800px" },
);

export function focusTile(id) {
  document.querySelector(`.tile [data-image="${CSS.escape(id)}"]`)?.focus();
}

export const listenToGrid = () =>
  on("more", "click", async () => {
    const last = grid.lastElementChild;
    await fetchMore();
    last?.nextElementSibling?.querySelector(".open").focus({ preventScroll: true });
  });

export function tile(hit) {
  const item = copyOf("tile");
  const [open, image, name, score, add, similar] = [
    ".open",
    "img",
    ".name",
    ".score",
    ".add",
    ".similar",
  ].map((part) => item.querySelector(part));
  const ratio = hit.width && hit.height ? hit.width / hit.height : 1;
  const described = captionOf(hit)?.text ?? hit.key;
  item.style.setProperty("--ratio", Math.min(Math.max(ratio, 0.6), 2.4).toFixed(3));
  open.href = `#image=${hit.image_id}`;
  open.dataset.image = hit.image_id;
  open.title = described;
  name.textContent = hit.key.split("/").at(-1);
  score.textContent = hit.score?.toFixed(3) ?? "";
  linkAdding(add, hit.image_id);
  similar.href = `/?like=${hit.image_id}`;
  image.alt = described;
  on(image, "missing", () => item.classList.add("missing"));
  loadWhenNear(image, hit.thumbnail_url);
  return item;
}

/** Makes a link add this picture to the search. Without a search, or room in it, the link hides. */
export function linkAdding(link, id) {
  const asked = readAddress();
  const count =
    asked.imageIds.length + asked.urls.length + asked.pictures.length + (asked.words ? 1 : 0);
  link.hidden =
    viewInAddress() !== "search" ||
    !isSearch(asked) ||
    count >= MOST_EXAMPLES ||
    asked.imageIds.includes(id);
  link.href = addressOf({ ...asked, imageIds: [...asked.imageIds, id] });
}

export function suggestKeywords(list) {
  const keywords = new Set(results.hits.flatMap((hit) => hit.keywords ?? []));
  list.replaceChildren(
    ...[...keywords].slice(0, 100).map((keyword) => make("option", { value: keyword })),
  );
}
