import { go } from "../address.js";
import { element, make, on } from "../elements.js";
import { askJson } from "../server.js";
import { number, pageLanguage, say } from "../words.js";

const FEWEST_FOR_DAYS = 60;

let months = []; // { month, count }, newest first

export async function askMonths() {
  ({ months } = await askJson("/v1/library/months"));
}

const format = (text, options) =>
  new Intl.DateTimeFormat(pageLanguage(), { timeZone: "UTC", ...options }).format(new Date(text));

export const monthName = (month) => format(month, { month: "long", year: "numeric" });
const dayName = (day) =>
  format(day, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** The heading of pictures of this day. Months with few pictures are not divided into days. */
export function headingOf(day) {
  const month = months.find((known) => day.startsWith(known.month));
  return month && month.count < FEWEST_FOR_DAYS ? monthName(month.month) : dayName(day);
}

const addressOf = (month) => `/?view=library${month ? `&to=${month}` : ""}`;

export function drawMonths(shown) {
  const years = Object.entries(Object.groupBy(months, ({ month }) => month.slice(0, 4))).reverse();
  element("months").replaceChildren(
    ...years.flatMap(([year, of]) => [
      make("h2", {}, format(year, { year: "numeric" })),
      ...of.map(link),
    ]),
  );
  const options = [
    ["", say("newest")],
    ...months.map(({ month, count }) => [month, say("monthCount", monthName(month), count)]),
  ];
  element("month-choice").replaceChildren(
    ...options.map(([value, textContent]) => make("option", { value, textContent })),
  );
  markMonth(shown);
}

function link({ month, count }) {
  const made = make("a", {
    href: addressOf(month),
    ariaLabel: say("monthCount", monthName(month), count),
  });
  made.append(format(month, { month: "short" }), make("small", {}, number(count)));
  made.dataset.month = month;
  return made;
}

export function markMonth(month) {
  for (const old of element("months").querySelectorAll("[aria-current]"))
    old.removeAttribute("aria-current");
  const current = month && element("months").querySelector(`[data-month="${month}"]`);
  current?.setAttribute("aria-current", "true");
  const aside = current?.closest("aside");
  if (current && !aside.matches(":hover"))
    aside.scrollTop = current.offsetTop - aside.clientHeight / 2;
  if (document.activeElement !== element("month-choice"))
    element("month-choice").value = month ?? "";
}

export function listenToMonths() {
  on("month-choice", "change", ({ target }) => {
    target.blur();
    go(addressOf(target.value));
  });
}
