// Sends files to the store, a few at a time, and retries while the network fails.

import { askJson, sendJson } from "../server.js";

const AT_ONCE = 4;
const LINKS_AT_ONCE = 20;
const SILENT_MS = 60_000;
const PAUSES_MS = [1000, 2000, 4000, 8000, 16_000];

const waiting = [];
const sending = new Set();
let askingForLinks = null;
let mostFiles = LINKS_AT_ONCE;
// Once a file existed already, the store is asked before further bytes are sent in vain.
let asksFirst = false;
let changed = () => {};
let stored = () => {};

export function follow(whenChanged, whenStored) {
  changed = whenChanged;
  stored = whenStored;
}

export function send(files, { atMost = LINKS_AT_ONCE, resumes = false } = {}) {
  mostFiles = Math.min(LINKS_AT_ONCE, atMost);
  asksFirst ||= resumes;
  for (const file of files)
    Object.assign(file, { state: "waiting", sent: 0, link: null, problem: null });
  waiting.push(...files);
  while (sending.size < AT_ONCE && waiting.length) work(waiting.shift());
}

export const isSending = () => sending.size > 0;

export function cancel() {
  const all = [...sending, ...waiting.splice(0)];
  for (const file of all) {
    tell(file, "cancelled");
    file.stop?.();
  }
}

async function work(file) {
  sending.add(file);
  const end = await sendPatiently(file).catch((problem) => ({ problem }));
  sending.delete(file);
  if (file.state !== "cancelled") {
    file.problem = end.problem;
    tell(file, end.state ?? (end.problem ? "failed" : "stored"));
    if (!end.problem) stored(file);
  }
  while (sending.size < AT_ONCE && waiting.length) work(waiting.shift());
}

function tell(file, state) {
  file.state = state;
  changed(file);
}

async function sendPatiently(file) {
  for (let failures = 0; file.state !== "cancelled"; failures += 1) {
    tell(file, "sending");
    const status = await sendOnce(file);
    if (status === "refused") return { state: "refused", problem: { detail: file.link.problem } };
    if (status === "there" || status === 412 || (status >= 200 && status < 300)) return {};
    // An expired link is not a network failure.
    if (status === 403) file.link = null;
    else if (status && status < 500 && status !== 408 && status !== 429)
      return { problem: { status } };
    if (failures === PAUSES_MS.length) return { problem: status ? { status } : {} };
    if (file.state === "cancelled") break;
    if (status !== 403 || failures) await pause(file, PAUSES_MS[failures]);
  }
  return {};
}

function pause(file, length) {
  tell(file, "pausing");
  return new Promise((resolve) => {
    file.stop = resolve;
    setTimeout(resolve, length);
  });
}

async function sendOnce(file) {
  try {
    while (!file.link) await askForLinks(file);
    if (file.link.problem) return "refused";
    if (asksFirst && (await isThere(file.link.key))) return "there";
  } catch (problem) {
    if (problem.status && problem.status < 500 && problem.status !== 429) throw problem;
    return problem.status;
  }
  if (file.state === "cancelled") return 0;
  const status = await put(file);
  if (status === 412) asksFirst = true;
  return status;
}

async function askForLinks(file) {
  if (askingForLinks) return askingForLinks;
  const batch = [file, ...waiting.filter(({ link }) => !link)].slice(0, mostFiles);
  const files = batch.map(({ name, type, file: { size, lastModified } }) => ({
    name,
    size_bytes: size,
    content_type: type,
    last_modified_ms: Math.round(lastModified),
  }));
  askingForLinks = sendJson("/v1/uploads", { files }).finally(() => {
    askingForLinks = null;
  });
  const { uploads } = await askingForLinks;
  batch.forEach((one, place) => {
    one.link = uploads[place];
  });
  return undefined;
}

const isThere = (key) =>
  askJson(`/v1/objects?${new URLSearchParams({ key })}`).then(
    () => true,
    (problem) => {
      if (problem.status === 404) return false;
      throw problem;
    },
  );

function put(file) {
  // Only XMLHttpRequest reports how much has been sent.
  const request = new XMLHttpRequest();
  let silent;
  const wait = () => {
    clearTimeout(silent);
    silent = setTimeout(() => request.abort(), SILENT_MS);
  };
  request.upload.addEventListener("progress", ({ loaded }) => {
    wait();
    file.sent = loaded;
    changed(file);
  });
  file.stop = () => request.abort();
  return new Promise((resolve) => {
    request.addEventListener("loadend", () => {
      clearTimeout(silent);
      resolve(request.status);
    });
    request.open(file.link.method, file.link.url);
    for (const [name, value] of Object.entries(file.link.headers))
      request.setRequestHeader(name, value);
    request.send(file.file);
    wait();
  });
}
