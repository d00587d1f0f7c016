import { bytes } from "../words.js";

export async function droppedFiles({ items, files }) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(files);
  return (await Promise.all(entries.map(filesBelow))).flat();
}

export const chosenFiles = (files) =>
  [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

async function filesBelow(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile)
    return [
      {
        name,
        file: await new Promise((resolve) => {
          entry.file(resolve, () => resolve(null));
        }),
      },
    ];
  const reader = entry.createReader();
  const all = [];
  for (;;) {
    const part = await new Promise((resolve) => {
      reader.readEntries(resolve, () => resolve([]));
    });
    if (!part.length) break;
    all.push(...part);
  }
  const below = [];
  for (const one of all) below.push(...(await filesBelow(one)));
  return below;
}

// By the server's list: browsers do not know all types.
function typeOf(name, types) {
  const lower = name.toLowerCase();
  return Object.keys(types).find((type) => types[type].some((suffix) => lower.endsWith(suffix)));
}

export function sift(files, { types, max_bytes: most }) {
  const taken = [];
  const skipped = [];
  for (const { name, file } of files) {
    const type = typeOf(name, types);
    if (!file) skipped.push({ name, why: ["skippedUnreadable"] });
    else if (!type) skipped.push({ name, why: ["skippedType"] });
    else if (file.size > most) skipped.push({ name, why: ["skippedSize", bytes(most)] });
    else if (!file.size) skipped.push({ name, why: ["skippedEmpty"] });
    else taken.push({ name, file, type, state: "waiting", sent: 0 });
  }
  return { taken, skipped };
}
