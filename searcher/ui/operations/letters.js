import { make, on } from "../elements.js";
import { askJson, imagePath } from "../server.js";
import { load } from "../thumbnails.js";
import { say } from "../words.js";
import { ask, attempt } from "./ask.js";

const pictured = new WeakMap(); // place of a thumbnail → whose it is
let linking = Promise.resolve();

const near = new IntersectionObserver((entries) => {
  for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(target);
    fillThumbnail(target);
  }
});

// A placeholder stays if there is no picture or it cannot be read.
export function showThumbnail(place, letter) {
  place.textContent = "?";
  pictured.set(place, letter);
  near.observe(place);
}

async function fillThumbnail(place) {
  const { id, imageId, stage } = pictured.get(place);
  const image = make("img", { alt: "" });
  on(image, "load", () => place.replaceChildren(image));
  // An object that failed in another stage than embedding has a thumbnail already.
  if (imageId && !stage.startsWith("embed")) return load(image, imagePath(imageId, "thumbnail"));
  // Each link costs a walk through the whole queue, so links are requested one by one.
  linking = linking.then(async () => {
    const { url } = place.isConnected
      ? await askJson(`/v1/ops/dead/${id}/link`).catch(() => ({}))
      : {};
    if (url) image.src = url;
  });
  return linking;
}

export function drawLetters(list, letters, shift) {
  list.replaceChildren(
    ...letters.map((letter) => {
      const { message_id: id, object, image_id: imageId, stage } = letter;
      const key = object?.key;
      const thumb = make("span.thumb");
      const open = make("button", { type: "button", title: key ?? id }, key ?? id);
      on(open, "click", () => showLetter(id, shift));
      showThumbnail(thumb, { id, imageId, stage });
      return make(
        "li",
        {},
        make("input", { type: "checkbox", value: id, ariaLabel: key ?? id }),
        thumb,
        open,
      );
    }),
  );
}

async function showLetter(id, shift) {
  const answer = await attempt(askJson(`/v1/ops/dead/${encodeURIComponent(id)}`));
  if (!answer) return;
  const [letter] = answer.letters;
  const lines = Object.entries(letter)
    .filter(([, value]) => value !== null && value !== "")
    .flatMap(([name, value]) => {
      const text = Array.isArray(value)
        ? value.join("\n")
        : typeof value === "object"
          ? JSON.stringify(value, null, 1)
          : value;
      return [
        make("dt", {}, name.replaceAll("_", " ")),
        make("dd", {}, make(typeof value === "object" ? "pre" : "span", {}, text)),
      ];
    });
  if (await ask(letter.object?.key ?? id, make("dl", {}, ...lines), say("replay")))
    await shift("replay", { stage: letter.stage, ids: [letter.message_id] });
}
