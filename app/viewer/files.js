// Files with the names that the visitor knows them by, from inputs and from what is dropped or pasted, folders included. Of a
// folder's files, hidden ones, which systems leave behind, are none.

export function named(files) {
  const seen = [...files].filter((file) => !file.webkitRelativePath?.includes("/."));
  return seen.map((file) => ({ file, name: file.webkitRelativePath || file.name }));
}

// What a DataTransfer holds. It must be called in the event itself: afterwards the browser shows nothing of it.
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (!entries.some((entry) => entry?.isDirectory)) return named(transfer.files);
  return (await Promise.all(entries.filter(Boolean).map(walk))).flat();
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
