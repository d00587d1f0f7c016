// Keywords of a search: [{ text, way }]. A picture must have all keywords of the way "all", at
// least one of those of the way "any", and none of the way "none".

// Name in the address → way. They stay in the order of the address.
const NAMES = new Map([
  ["keyword", "all"],
  ["keyword_any", "any"],
  ["keyword_none", "none"],
]);
const WAYS = [...NAMES.values()];

/** The keywords in an address, each once. */
export function readKeywords(said) {
  const ways = new Map();
  for (const [name, value] of said) {
    const text = value.trim();
    if (NAMES.has(name) && text && !ways.has(text)) ways.set(text, NAMES.get(name));
  }
  return [...ways].map(([text, way]) => ({ text, way }));
}

/** Calls `say(name, text)` for each keyword. */
export function sayKeywords(keywords, say) {
  const nameOf = new Map([...NAMES].map(([name, way]) => [way, name]));
  for (const { text, way } of keywords) say(nameOf.get(way), text);
}

export const withoutKeyword = (keywords, gone) => keywords.filter(({ text }) => text !== gone);

/** Adds a keyword that pictures must have. */
export const withKeyword = (keywords, text) => [
  ...withoutKeyword(keywords, text),
  { text, way: WAYS[0] },
];

/** Gives a keyword its next way; after the last one it is gone. */
export const withNextWay = (keywords, changed) =>
  keywords.flatMap(({ text, way }) => {
    if (text !== changed) return [{ text, way }];
    const next = WAYS[WAYS.indexOf(way) + 1];
    return next ? [{ text, way: next }] : [];
  });

/** The texts of those that pictures may have: the search can look for them. */
export const wantedKeywords = (keywords) =>
  keywords.filter(({ way }) => way !== "none").map(({ text }) => text);

/** As the server reads them: { all, any, none }. */
export const keywordFilter = (keywords) =>
  Object.fromEntries(
    WAYS.map((way) => [way, keywords.filter((one) => one.way === way).map(({ text }) => text)]),
  );
