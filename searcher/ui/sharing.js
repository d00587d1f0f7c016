import { element, on } from "./elements.js";
import { say } from "./words.js";

const TOLD_MS = 2000;

// The reader's own pictures are in no address, and only a secure page may use the clipboard.
export const canShare = (asked) => Boolean(navigator.clipboard) && !asked?.pictures.length;

async function copyLink({ target }) {
  await navigator.clipboard.writeText(location.href);
  target.textContent = say("linkCopied");
  setTimeout(() => {
    target.textContent = say("share");
  }, TOLD_MS);
}

export function listenToSharing() {
  element("viewer-share").hidden = !navigator.clipboard;
  for (const id of ["share", "viewer-share"]) on(id, "click", copyLink);
}
