// The server's own routes: pictures in memory. All addresses are relative to this file, so any mount point works.

const ROOT = new URL("../", import.meta.url);

export function address(path) {
  return new URL(path, ROOT).href;
}

// Sends a file's bytes, without its name; resolves to the token it is held under.
export async function hold(file) {
  const response = await fetch(address("pictures"), {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: file,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

export async function texts(language) {
  const response = await fetch(address(`texts/${language}`));
  return response.json();
}
