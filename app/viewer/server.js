// The server's own routes: pictures in memory. All addresses are relative to this file, so any mount point works.

const ROOT = new URL("../", import.meta.url);

export function address(path) {
  return new URL(path, ROOT).href;
}

// Sends a file's bytes, without its name; resolves to the token it is held under.
export async function hold(file) {
  return (await send("pictures", file)).text();
}

// Sends a ZIP; resolves to [name, token] of every file in it.
export async function unpack(file) {
  return (await send("archives", file)).json();
}

async function send(path, file) {
  const headers = { "content-type": "application/octet-stream" };
  const response = await fetch(address(path), { method: "POST", headers, body: file });
  if (!response.ok) throw new Error(await response.text());
  return response;
}

export async function texts(language) {
  const response = await fetch(address(`texts/${language}`));
  return response.json();
}
