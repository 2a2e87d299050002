// The server's own routes: pictures in memory, examples, texts. All addresses are relative to this file, so any mount point
// works.

const ROOT = new URL("../", import.meta.url);
const FULL = 503; // too much is under way: the same may be sent again
const GONE = 410; // what a token named is no longer held
const RETRY = 2000; // milliseconds
let words = {};

export function address(path) {
  return new URL(path, ROOT).href;
}

// The page's texts, without which it can show nothing. What goes wrong from then on is told in their language.
export async function texts(language) {
  for (;;) {
    try {
      const response = await fetch(address(`texts/${language}`));
      if (response.ok) return (words = await response.json());
    } catch {
      // as if it had not answered
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY));
  }
}

// What went wrong, as an error with a sentence for the screen.
export function fault(key) {
  return new Error(words[key]);
}

// The first bytes of a file. One that was moved, changed or locked since it was chosen cannot be read, nor can what only looks
// like a file.
export async function beginning(file, length) {
  try {
    return new Uint8Array(await file.slice(0, length).arrayBuffer());
  } catch {
    throw fault("error.unreadable");
  }
}

// Sends a file's bytes, without its name; resolves to the token it is held under. `later`: nothing is asked about it next.
export async function hold(file, later = false) {
  return (await post(`pictures${later ? "?later=true" : ""}`, file)).text();
}

// Holds a rectangle of a frame of a held file as a picture of its own; resolves to its token.
export async function holdPart(token, frame, rectangle) {
  return (await post(`pictures/${token}/${frame}/part?${new URLSearchParams(rectangle)}`)).text();
}

// Lets go of a held file. Hardly anybody waits for it: what is not let go is forgotten after a while.
export function letGo(token) {
  return request(`pictures/${token}`, { method: "DELETE" }).catch(() => {});
}

// What can be asked of many pictures, and of which model.
export async function models() {
  return (await request("models")).json();
}

// Holds an example; resolves to its token.
export async function holdExample(number) {
  return (await post(`examples/${number}`)).text();
}

// Sends a ZIP; resolves to [path, token] of every file in it.
export async function unpack(file) {
  return (await post("archives", file)).json();
}

// What is known of every picture to try.
export async function examples() {
  return (await request("examples")).json();
}

// Asks a route of the Learn tab; `body` makes it a POST, an object goes as JSON.
export function learn(path, body) {
  if (!body) return request(`learn/${path}`);
  return body instanceof Blob ? post(`learn/${path}`, body) : post(`learn/${path}`, JSON.stringify(body));
}

// A response, or an error with a sentence for the screen.
export async function request(path, options = {}) {
  const headers = { "accept-language": words.language, ...options.headers };
  let response;
  try {
    response = await fetch(address(path), { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : fault("error.network");
  }
  const { ok, status } = response, kind = response.headers.get("content-type") ?? "";
  // No request is answered with a page: that is a proxy's, whose source helps nobody, or a captive portal's.
  if (kind.startsWith("text/html")) throw fault("error.network");
  if (!ok) throw Object.assign(new Error(await response.text()), { isFull: status === FULL, isGone: status === GONE });
  return response;
}

// A file that cannot be read is told from a server that does not answer: the browser fails alike for both.
async function post(path, body) {
  if (body instanceof Blob) await beginning(body, 1);
  return request(path, { method: "POST", headers: { "content-type": "application/octet-stream" }, body });
}
