// What the reader prefers, kept in this browser: light or dark, and scores on pictures.

import { element, on } from './elements.js';
import { say } from './words.js';

const THEMES = ['auto', 'light', 'dark'];
const STORED_THEME = 'bucketlens.theme';
const STORED_SCORES = 'bucketlens.scores';

const theme = () => THEMES.find((known) => known === localStorage.getItem(STORED_THEME)) ?? 'auto';

export function drawPreferences() {
  document.documentElement.dataset.theme = theme();
  const words = say('theme', say(`theme_${theme()}`));
  element('theme').ariaLabel = words;
  element('theme').title = words;
  element('scores').checked = localStorage.getItem(STORED_SCORES) === 'yes';
  document.body.classList.toggle('scores', element('scores').checked);
}

export function listenToPreferences() {
  on('theme', 'click', () => {
    localStorage.setItem(STORED_THEME, THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
    drawPreferences();
  });
  on('scores', 'change', () => {
    localStorage.setItem(STORED_SCORES, element('scores').checked ? 'yes' : 'no');
    drawPreferences();
  });
}
