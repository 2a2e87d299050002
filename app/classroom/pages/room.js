// A room on the server, as a student or a teacher sees it. Polls: they pass every proxy, and a lost one is only late.

import { language, released } from "./page.js";

const PAUSE = { student: 1500, teacher: 1000 }; // milliseconds between polls
const LONGEST_PAUSE = 8000; // when the server does not answer
const LONGEST_POLL = 10000; // milliseconds until one whose connection hangs counts as broken
const LONGEST_LEAVING = 2000; // milliseconds that leaving waits for a poll that is under way

// What went wrong. error: what the server says of it; status: HTTP's, 0 where the server did not answer; isGone: the room is
// deleted, or one's place in it.
export class Problem extends Error {
  constructor({ error = null, status = 0, isGone = false } = {}) {
    super(error ?? "");
    Object.assign(this, { error, status, isGone });
  }
}

// Sends a request below classroom/; resolves to the server's response, or throws a Problem.
export async function ask(method, path, { key, body, headers = {}, signal } = {}) {
  const options = { method, headers: { ...headers, "accept-language": language() }, cache: "no-store", signal };
  if (key) options.headers.authorization = `Bearer ${key}`;
  if (body instanceof Blob) options.body = body;
  else if (body) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem();
  }
  const kind = response.headers.get("content-type") ?? "";
  // No request is answered with a page: that is a proxy's or a captive portal's, and may come as 200 or 403, too.
  if (kind.startsWith("text/html")) throw new Problem();
  if (response.ok || response.status === 304) return response;
  throw new Problem(await refusal(response, kind.startsWith("application/json")));
}

// Rooms refuse in JSON, and the gate before them in plain text. Plain text with a 5xx is a proxy's: "Bad Gateway" helps nobody.
async function refusal(response, isJson) {
  const { status } = response;
  const said = await (isJson ? response.json() : response.text()).catch(() => null);
  const error = (isJson ? said?.error : status < 500 && said) || null;
  return { error, status, isGone: status === 403 && isJson && error !== null };
}

export class Room {
  // side: "student" or "teacher".
  constructor(code, key, side) {
    Object.assign(this, { code, key, side, tag: null, offline: false, stopped: false, asked: false, hurry: () => {} });
  }

  ask(method, path, options = {}) {
    return ask(method, `rooms/${this.code}${path && "/"}${path}`, { key: this.key, ...options });
  }

  // Calls `show(view)` whenever the view has changed and nothing on the page is pressed, `offline(yes)` when the server is
  // lost or found, and `gone(problem)` once, when the room is.
  async follow({ show, offline, gone }) {
    let pause = PAUSE[this.side];
    while (!this.stopped) {
      this.asked = false;
      try {
        this.polled = this.look();
        const view = await this.polled;
        if (view) {
          await released(document.body);
          if (!this.stopped) show(view);
        }
        pause = PAUSE[this.side];
        this.report(false, offline);
      } catch (problem) {
        if (!(problem instanceof Problem)) throw problem;
        if (problem.isGone) return this.stopped || gone(problem);
        pause = Math.min(LONGEST_PAUSE, pause * 1.5);
        this.report(true, offline);
      }
      await this.wait(pause * (0.8 + 0.4 * Math.random())); // so that a class does not ask all at once
      await this.leaving;
    }
  }

  // The room's view if it has changed; else null.
  async look() {
    const hanging = new AbortController(), timer = setTimeout(() => hanging.abort(), LONGEST_POLL), asked = performance.now();
    try {
      const headers = this.tag ? { "if-none-match": this.tag } : {};
      const response = await this.ask("GET", this.side, { headers, signal: hanging.signal });
      if (response.status !== 200) return null;
      const view = await response.json().catch(() => Promise.reject(new Problem()));
      view.deadline = view.left == null ? null : Date.now() + 1000 * view.left; // performance.now() stands still while a phone sleeps
      view.asked = asked;
      this.tag = response.headers.get("etag");
      return view;
    } finally {
      clearTimeout(timer);
    }
  }

  report(offline, tell) {
    if (offline !== this.offline && !this.stopped) tell(offline);
    this.offline = offline;
  }

  // Ask again now, or as soon as the answer that is under way has come.
  poll() {
    this.asked = true;
    this.hurry();
  }

  // Gives a student's place up. No poll goes on meanwhile: it would be refused as if the room were gone.
  async leave() {
    let done;
    this.leaving = new Promise((resolve) => (done = resolve));
    try {
      await Promise.race([this.polled.catch(() => {}), new Promise((resolve) => setTimeout(resolve, LONGEST_LEAVING))]);
      await this.ask("DELETE", "student");
      this.stop();
    } finally {
      done();
    }
  }

  stop() {
    this.stopped = true;
    this.hurry();
  }

  async wait(milliseconds) {
    if (!this.asked) await new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.hurry = () => (clearTimeout(timer), resolve());
    });
  }
}

// Seconds left until a view's deadline; null without one.
export function secondsLeft(view) {
  return view?.deadline == null ? null : Math.max(0, Math.ceil((view.deadline - Date.now()) / 1000));
}
