import { FILTERS, FORMATS, change, readAddress } from "./address.js";
import { closingCross, element, make, on } from "./elements.js";
import { suggestKeywords } from "./grid.js";
import { date, say } from "./words.js";

const panel = element("filter");
const fields = element("filter-form").elements;
const without = (list, gone) => list.filter((entry) => entry !== gone);

function activeFilters({ keywords, formats, ...asked }) {
  return [
    ...keywords.map((keyword) => [
      say("chip_keyword", keyword),
      { keywords: without(keywords, keyword) },
    ]),
    ...formats.map((format) => [format.toUpperCase(), { formats: without(formats, format) }]),
    ...FILTERS.filter(([name]) => asked[name]).map(([name]) => [
      say(`chip_${name}`, readable(name, asked[name])),
      { [name]: null },
    ]),
  ];
}

const readable = (name, value) => {
  if (name === "orientation") return say(value);
  return name === "from" || name === "to" ? date(value) : value;
};

export function drawFilters(asked) {
  element("chips").replaceChildren(...activeFilters(asked).map(chip));
  for (const [name] of FILTERS) fields[name].value = asked[name] ?? "";
  for (const box of fields.formats) box.checked = asked.formats.includes(box.value);
}

function chip([text, removal]) {
  const button = make(
    "button",
    { type: "button", ariaLabel: say("removeFilter", text) },
    make("span", {}, text),
    closingCross(),
  );
  on(button, "click", () => {
    change(removal);
    (element("chips").querySelector("button") ?? panel.querySelector("summary")).focus();
  });
  return make("li", {}, button);
}

function drawFormatBoxes() {
  element("formats").append(
    ...FORMATS.map((format) => {
      const box = make("input", { type: "checkbox", name: "formats", value: format });
      return make("label.choice", {}, box, make("span", {}, format.toUpperCase()));
    }),
  );
}

function readPanel() {
  const part = {
    formats: [...fields.formats].filter((box) => box.checked).map((box) => box.value),
  };
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
  change({ keywords: [...without(readAddress().keywords, keyword), keyword] });
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
