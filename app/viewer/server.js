// The server's own routes: pictures in memory, examples, texts. All addresses are relative to this file, so any mount point
// works.

const ROOT = new URL("../", import.meta.url);
const FULL = 503; // too much is under way: the same may be sent again
let words = {};

export function address(path) {
  return new URL(path, ROOT).href;
}

// The page's texts. What goes wrong from then on is told in their language.
export async function texts(language) {
  words = await (await fetch(address(`texts/${language}`))).json();
  return words;
}

// Sends a file's bytes, without its name; resolves to the token it is held under. `later`: nothing is asked about it next.
export async function hold(file, later = false) {
  return (await post(`pictures${later ? "?later=true" : ""}`, file)).text();
}

// Holds an example; resolves to its token.
export async function holdExample(number) {
  return (await post(`examples/${number}`)).text();
}

// Sends a ZIP; resolves to [name, token] of every file in it.
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
    throw error.name === "AbortError" ? error : new Error(words["error.network"]);
  }
  if (!response.ok) throw Object.assign(new Error(await response.text()), { isFull: response.status === FULL });
  return response;
}

function post(path, body) {
  return request(path, { method: "POST", headers: { "content-type": "application/octet-stream" }, body });
}
