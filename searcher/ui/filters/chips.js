// The active filters, each as a chip. The chip of a keyword also says how the keyword counts, and
// changes that.

import { FILTERS, change } from "../address.js";
import { closingCross, element, make, on } from "../elements.js";
import { date, formatName, say } from "../words.js";
import { withNextWay, withoutKeyword } from "./keywords.js";

const list = element("chips");
const without = (values, gone) => values.filter((value) => value !== gone);

export const drawChips = (asked) =>
  list.replaceChildren(
    ...asked.keywords.map((keyword) => keywordChip(keyword, asked)),
    ...otherFilters(asked).map(chip),
  );

function otherFilters({ formats, missing, ...asked }) {
  return [
    ...formats.map((format) => [formatName(format), { formats: without(formats, format) }]),
    ...missing.map((fact) => [
      say("chip_missing", say(`missing_${fact}`)),
      { missing: without(missing, fact) },
    ]),
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

function keywordChip({ text, way }, { keywords }) {
  const name = say(`keyword_${way}`, text);
  const label = say(`after_${way}`, name);
  const next = make(
    "button",
    { type: "button", ariaLabel: label, title: label },
    make("span", {}, name),
  );
  const removal = make(
    "button",
    { type: "button", ariaLabel: say("removeFilter", name) },
    closingCross(),
  );
  const item = make("li", {}, next, removal);
  item.dataset.way = way;
  on(next, "click", () => changeChip(item, { keywords: withNextWay(keywords, text) }));
  on(removal, "click", () => changeChip(item, { keywords: withoutKeyword(keywords, text) }));
  return item;
}

function chip([text, removal]) {
  const button = make(
    "button",
    { type: "button", ariaLabel: say("removeFilter", text) },
    make("span", {}, text),
    closingCross(),
  );
  const item = make("li", {}, button);
  on(button, "click", () => changeChip(item, removal));
  return item;
}

// All chips are drawn anew. The focus stays at the place of the chip, or moves to the last one.
function changeChip(item, part) {
  const place = [...list.children].indexOf(item);
  change(part);
  const next = list.children[place] ?? list.lastElementChild;
  (next?.querySelector("button") ?? element("filter").querySelector("summary")).focus();
}
