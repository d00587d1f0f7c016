// The panel of filters.

import { FILTERS, FORMATS, change, readAddress } from "../address.js";
import { element, make, on } from "../elements.js";
import { suggestKeywords } from "../grid.js";
import { formatName } from "../words.js";
import { drawChips } from "./chips.js";
import { withKeyword } from "./keywords.js";
import "./words.js";

const panel = element("filter");
const fields = element("filter-form").elements;
const BOXES = ["formats", "missing"]; // filters with several values, each a box

export function drawFilters(asked) {
  drawChips(asked);
  for (const [name] of FILTERS) fields[name].value = asked[name] ?? "";
  for (const name of BOXES)
    for (const box of fields[name]) box.checked = asked[name].includes(box.value);
}

function drawFormatBoxes() {
  element("formats").append(
    ...FORMATS.map((format) => {
      const box = make("input", { type: "checkbox", name: "formats", value: format });
      return make("label.choice", {}, box, make("span", {}, formatName(format)));
    }),
  );
}

function readPanel() {
  const part = {};
  for (const name of BOXES)
    part[name] = [...fields[name]].filter((box) => box.checked).map((box) => box.value);
  for (const [name, , read] of FILTERS) {
    const { value, validity } = fields[name];
    if (validity.valid && (!value || read(value))) part[name] = read(value);
  }
  return part;
}

function addKeyword() {
  const keyword = fields.keyword.value.trim();
  if (!keyword) return;
  fields.keyword.value = "";
  change({ keywords: withKeyword(readAddress().keywords, keyword) });
}

function closePanels(event) {
  for (const open of document.querySelectorAll("details.panel[open]")) {
    if (event.type === "click" && open.contains(event.target)) continue;
    if (event.type === "keydown" && open.contains(document.activeElement))
      open.querySelector("summary").focus();
    open.open = false;
  }
}

export function listenToFilters() {
  drawFormatBoxes();
  on("filter", "toggle", () => {
    if (panel.open) suggestKeywords(element("known-keywords"));
  });
  on("filter-form", "change", (event) => {
    if (event.target !== fields.keyword) change(readPanel());
  });
  on("filter-form", "submit", (event) => {
    event.preventDefault();
    addKeyword();
  });
  // In the capture phase: a chip that was clicked is gone in the bubble phase.
  on(document, "click", closePanels, { capture: true });
  on(document, "keydown", (event) => {
    if (event.key === "Escape") closePanels(event);
  });
}
