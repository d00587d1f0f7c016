// Captions and keywords of a picture, and the signals that found it.

import { SIGNALS } from "./address.js";
import { element, make } from "./elements.js";
import { pageLanguage, percent, say, sayLanguage } from "./words.js";

const isHan = (text) => /\p{Script=Han}/u.test(text);
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The caption in the page's language, else the main one: { language, text }. */
export function captionOf(hit) {
  const own = hit.captions?.[pageLanguage()];
  if (own) return { language: pageLanguage(), text: own };
  if (!hit.caption) return undefined;
  const language = Object.keys(hit.captions ?? {}).find(
    (code) => hit.captions[code] === hit.caption,
  );
  return { language, text: hit.caption };
}

export function drawSaid(hit) {
  const shown = captionOf(hit);
  const others = Object.entries(hit.captions ?? {}).filter(
    ([language, text]) => text && language !== shown?.language,
  );
  const { matched = [] } = hit;
  const caption = element("viewer-caption");
  caption.hidden = !shown;
  caption.lang = shown?.language ?? "";
  caption.replaceChildren(...(shown ? marked(shown.text, matched) : []));
  element("viewer-captions").replaceChildren(
    ...others.map(([lang, text]) =>
      make(
        "p",
        { lang },
        make("span.language", { lang: "" }, sayLanguage(lang)),
        " ",
        ...marked(text, matched),
      ),
    ),
  );
  drawKeywords(hit);
  element("viewer-captioner").textContent = hit.captioner ? say("writtenBy", hit.captioner) : "";
  element("viewer-captioner").hidden = !hit.captioner;
}

/** The text with matched words marked; in writing with spaces, whole words only. */
function marked(text, words) {
  if (!words.length) return [text];
  const either = words.map((word) =>
    isHan(word) ? escaped(word) : `(?<![\\p{L}\\p{N}])${escaped(word)}(?![\\p{L}\\p{N}])`,
  );
  return text
    .split(new RegExp(`(${either.join("|")})`, "giu"))
    .map((part, place) => (place % 2 ? make("mark", {}, part) : part));
}

function drawKeywords(hit) {
  const keywords = hit.keywords ?? [];
  const isOwn = (keyword) => isHan(keyword) === (pageLanguage() === "zh");
  const own = keywords.filter(isOwn);
  const matched = new Set((hit.matched ?? []).map((word) => word.toLowerCase()));
  const link = (keyword) => {
    const made = make("a.keyword", { textContent: keyword });
    made.href = `/?${new URLSearchParams({ keyword })}`;
    made.classList.toggle("other", own.length > 0 && !isOwn(keyword));
    made.classList.toggle("matched", matched.has(keyword.toLowerCase()));
    return made;
  };
  const ordered = [...own, ...keywords.filter((keyword) => !isOwn(keyword))];
  element("viewer-keywords").replaceChildren(
    ...ordered.map((keyword) => make("li", {}, link(keyword))),
  );
}

export function drawSignals(hit, isHybrid) {
  const said = SIGNALS.filter((signal) => hit.signals?.[signal]);
  element("viewer-why").hidden = !isHybrid || !said.length;
  const whole = said.reduce((sum, signal) => sum + hit.signals[signal].contribution, 0);
  element("viewer-signals").replaceChildren(
    ...said.map((signal) => signalLine(signal, hit, whole)),
  );
}

function signalLine(signal, hit, whole) {
  const { score, rank, contribution } = hit.signals[signal];
  const share = whole > 0 ? contribution / whole : 0;
  const bar = make("span.share");
  bar.style.setProperty("--share", share.toFixed(3));
  const found =
    signal === "text" && hit.matched?.length
      ? `${say("wordsFound", hit.matched.join(", "))} · `
      : "";
  const measure = say(signal === "text" ? "wordScore" : "similarity", score);
  const detail = `${found}${measure} · ${say("rank", rank)}`;
  const line = [
    make("span", {}, say(`signal_${signal}`)),
    make("strong", {}, percent(share)),
    bar,
    make("small", {}, detail),
  ];
  return make("li", {}, ...line);
}
