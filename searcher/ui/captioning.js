import { element, on } from "./elements.js";
import { askFacts, askForCaption } from "./server.js";
import { say } from "./words.js";

// Asks for the caption after these pauses, then stops: a busy captioner may take an hour.
const PAUSES_MS = [2000, 3000, 5000, 10_000, 20_000, 40_000];

const notes = new Map(); // id → what came of asking, as the name of a sentence and its values
let current = null; // { hit, drawHit } in sight

export function drawCaptioning(hit, drawHit) {
  current = { hit, drawHit };
  const note = notes.get(hit.image_id) ?? ["captionMissing"];
  element("captioning").hidden = Boolean(hit.caption) || (hit.score === undefined && !hit.isWhole);
  element("caption-now").disabled = ["captionAsking", "captionSoon"].includes(note[0]);
  element("caption-note").textContent = say(...note);
}

async function askNow() {
  const { hit, drawHit } = current;
  const tell = (...note) => {
    notes.set(hit.image_id, note);
    drawHit();
  };
  tell("captionAsking");
  try {
    await askForCaption(hit.image_id);
  } catch (problem) {
    return tell("captionRefused", problem.detail ?? "");
  }
  tell("captionSoon");
  for (const pause of PAUSES_MS) {
    await new Promise((resolve) => {
      setTimeout(resolve, pause);
    });
    const { caption, captions, keywords, captioner } = await askFacts(hit.image_id).catch(
      () => ({}),
    );
    if (caption) {
      Object.assign(hit, { caption, captions, keywords, captioner });
      return drawHit();
    }
  }
  tell("captionLater");
}

export const listenToCaptioning = () => on("caption-now", "click", askNow);
