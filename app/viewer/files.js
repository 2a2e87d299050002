// Files with the names that the visitor knows them by, from inputs and from what is dropped or pasted, folders included. Of a
// folder's files, hidden ones, which systems leave behind, are none.

import { fault } from "./server.js";

export function named(files) {
  const seen = [...files].filter((file) => !file.webkitRelativePath?.includes("/."));
  return seen.map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

// What a DataTransfer holds; an error with a sentence where that is no file, or a folder that cannot be read. It must be called
// in the event itself: afterwards the browser shows nothing of it.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  const hasFolder = entries.some((entry) => entry?.isDirectory);
  const files = hasFolder ? await Promise.all(entries.filter(Boolean).map(walk)).catch(() => null) : named(transfer.files);
  if (!files) throw fault("error.unreadable");
  if (!files.flat().length) throw fault("error.noFile");
  return files.flat();
}

// The files at an entry and below it, in the order of their names.
async function walk(entry) {
  if (entry.isFile) return [{ file: await new Promise((...done) => entry.file(...done)), name: entry.fullPath.slice(1) }];
  const reader = entry.createReader(), inside = [];
  for (;;) {
    const some = await new Promise((...done) => reader.readEntries(...done)); // a hundred at a time
    if (!some.length) break;
    inside.push(...some.filter(({ name }) => !name.startsWith(".")));
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  return (await Promise.all(inside.map(walk))).flat();
}
