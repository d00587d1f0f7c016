import { askJson } from "../server.js";

const PERIOD_MS = 1000;
const AT_ONCE = 16;

const arriving = [];
let arrived = () => {};
let timer = null;

export const whenArrived = (react) => {
  arrived = react;
};

export function awaitArrival(file) {
  arriving.push(Object.assign(file, { storedAt: Date.now(), lookAt: 0 }));
  timer ??= setTimeout(lookAround, PERIOD_MS);
}

async function lookAround() {
  const due = document.hidden ? [] : arriving.filter(({ lookAt }) => lookAt <= Date.now());
  await Promise.all(due.slice(0, AT_ONCE).map(look));
  timer = arriving.length ? setTimeout(lookAround, PERIOD_MS) : null;
}

async function look(file) {
  const { indexed, image_id: imageId } = await askJson(
    `/v1/objects?${new URLSearchParams({ key: file.link.key })}`,
  ).catch(() => ({}));
  arriving.splice(arriving.indexOf(file), 1);
  if (indexed) return arrived(Object.assign(file, { state: "searchable", imageId }));
  // Asked for less and less often: it may never appear.
  file.lookAt = Date.now() + (Date.now() - file.storedAt) / 4;
  return arriving.push(file);
}
