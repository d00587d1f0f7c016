// Handing on a link to what is in sight.

import { element, on } from './elements.js';
import { say } from './words.js';

const TOLD_MS = 2000;

/** A search by the reader's own pictures stands in no address, and only a secure page may use the clipboard. */
export const canShare = (asked) => Boolean(navigator.clipboard) && !asked?.pictures.length;

async function copyLink({ currentTarget: button }) {
  const told = await navigator.clipboard.writeText(location.href).then(() => 'linkCopied', () => 'linkNotCopied');
  button.textContent = say(told);
  setTimeout(() => { button.textContent = say(button.dataset.words); }, TOLD_MS);
}

export function listenToSharing() {
  element('viewer-share').hidden = !navigator.clipboard;
  on('share', 'click', copyLink);
  on('viewer-share', 'click', copyLink);
}
