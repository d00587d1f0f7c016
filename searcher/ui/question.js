import {
  MOST_EXAMPLES,
  addPictures,
  change,
  hasExamples,
  isLink,
  isSearch,
  readAddress,
  viewInAddress,
} from "./address.js";
import { closingCross, element, make, on } from "./elements.js";
import { drawFilters } from "./filters/filters.js";
import { complain, results, running, search, status } from "./search.js";
import { imagePath } from "./server.js";
import { shrink } from "./shrink.js";
import { load } from "./thumbnails.js";
import { say } from "./words.js";

const TYPING_PAUSE_MS = 350;

const wordsInput = element("words");
let shown = []; // addresses of the reader's pictures in sight
let takeDropped = searchPictures; // where what is dropped or pasted goes

export const focusWords = () => wordsInput.select();

/** From now on `take(dataTransfer)` gets dropped and pasted data; without it, the search does. */
export function takeDrops(take = searchPictures, name = "dropHere") {
  takeDropped = take;
  element("drop-words").dataset.say = name;
  element("drop-words").textContent = say(name);
}

/** Called when a search begins, not when it ends: the reader may be typing the next question. */
export function drawQuestion() {
  const asked = results.asked ?? readAddress();
  const inSearch = viewInAddress() === "search";
  document.body.classList.toggle("idle", inSearch && !isSearch(asked));
  if (inSearch) document.title = asked.words ? `${asked.words} – bucketlens` : "bucketlens";
  if (wordsInput.value.trim() !== (asked.words ?? "")) wordsInput.value = asked.words ?? "";
  wordsInput.placeholder = say(hasExamples(asked) ? "refine" : "placeholder");
  drawExamples(asked);
  drawFilters(asked);
}

function drawExamples({ imageIds, urls, pictures }) {
  shown.forEach(URL.revokeObjectURL);
  shown = pictures.map((picture) => URL.createObjectURL(picture));
  element("examples").replaceChildren(
    ...imageIds.map((id) =>
      example((image) => load(image, imagePath(id, "thumbnail")), {
        imageIds: imageIds.filter((one) => one !== id),
      }),
    ),
    ...urls.map((url) => example(() => {}, { urls: urls.filter((one) => one !== url) }, url)),
    ...pictures.map((picture, place) =>
      example(
        (image) => {
          image.src = shown[place];
        },
        { pictures: pictures.filter((one) => one !== picture) },
      ),
    ),
  );
}

function example(show, removal, name = say("similarTo")) {
  const image = make("img", { alt: name });
  const button = make(
    "button",
    {
      type: "button",
      className: "plain",
      ariaLabel: say("removeExample"),
      title: say("removeExample"),
    },
    closingCross(),
  );
  on(image, "error", () => image.removeAttribute("src"));
  on(button, "click", () => {
    change(removal);
    wordsInput.focus();
  });
  show(image);
  return make("li", { title: name }, image, button);
}

// The address of a picture is an example, but not while it is being typed.
function searchWords(step) {
  const words = wordsInput.value.trim();
  if (!status?.image_urls || !isLink(words)) change({ words: words || null }, step);
  else if (step !== "typing") addLink(words);
}

const addLink = (url) =>
  change({ words: null, urls: [...readAddress().urls, url].slice(-MOST_EXAMPLES) });

async function searchPictures({ files }) {
  if (!files.length) return;
  const pictures = [...files].filter(({ type }) => !type || type.startsWith("image/"));
  if (pictures.length) addPictures(await Promise.all(pictures.map(shrink)));
  else
    complain({
      status: 415,
      title: say("notPicture"),
      detail: say("notPictureDetail", files[0].name),
    });
}

export function listenToWords() {
  let pause;
  const searchSoon = (event) => {
    clearTimeout(pause);
    if (!event.isComposing)
      pause = setTimeout(
        searchWords,
        TYPING_PAUSE_MS,
        event.inputType === "insertFromPaste" ? null : "typing",
      );
  };
  on("words", "input", searchSoon);
  on("words", "compositionend", searchSoon);
  on("search-form", "submit", (event) => {
    event.preventDefault();
    clearTimeout(pause);
    const before = results;
    searchWords();
    if (results === before && !running) search(results.asked);
  });
}

export function listenToPictures() {
  const takesLinks = () => takeDropped === searchPictures && status?.image_urls;
  const carriesFile = ({ dataTransfer }) =>
    dataTransfer?.types.includes("Files") ||
    (takesLinks() && dataTransfer?.types.includes("text/uri-list"));
  on("choose", "click", () => element("picture-file").click());
  on("picture-file", "change", (event) => {
    searchPictures(event.target);
    event.target.value = "";
  });
  on(document, "paste", (event) => {
    if (event.clipboardData.files.length) takeDropped(event.clipboardData);
  });
  on(document, "dragover", (event) => {
    if (carriesFile(event)) event.preventDefault();
    element("drop").hidden = !carriesFile(event);
  });
  on(document, "dragleave", (event) => {
    element("drop").hidden = !event.relatedTarget;
  });
  on(document, "drop", (event) => {
    element("drop").hidden = true;
    if (!carriesFile(event)) return;
    event.preventDefault();
    const url = event.dataTransfer.getData("text/uri-list");
    if (event.dataTransfer.files.length) takeDropped(event.dataTransfer);
    else if (isLink(url) && !url.startsWith(location.origin)) addLink(url);
  });
}
