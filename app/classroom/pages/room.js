// A room on the server, as a student or a teacher sees it. Polls: they pass every proxy, and a lost one is only late.

import { language, released } from "./page.js";

const PAUSE = { student: 1500, teacher: 1000 }; // milliseconds between polls
const LONGEST_PAUSE = 8000; // when the server does not answer

export class Problem extends Error {
  constructor({ key, error }, status) {
    super(error);
    Object.assign(this, { key, error, status });
  }
}

// Sends a request below classroom/; resolves to the response, or throws a Problem.
export async function ask(method, path, { key, body, headers = {} } = {}) {
  const options = { method, headers: { ...headers, "accept-language": language() }, cache: "no-store" };
  if (key) options.headers.authorization = `Bearer ${key}`;
  if (body instanceof Blob) options.body = body;
  else if (body) options.body = JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem({ key: "class.error.offline" }, 0);
  }
  if (response.ok || response.status === 304) return response;
  const problem = await response.json().catch(() => ({ key: "class.error.offline" }));
  throw new Problem(problem, response.status);
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
  // lost or found, and `gone()` once, when the room is.
  async follow({ show, offline, gone }) {
    let pause = PAUSE[this.side];
    while (!this.stopped) {
      this.asked = false;
      try {
        const response = await this.ask("GET", this.side, { headers: this.tag ? { "if-none-match": this.tag } : {} });
        if (response.status === 200) {
          const view = await response.json();
          view.deadline = view.left == null ? null : performance.now() + 1000 * view.left;
          this.tag = response.headers.get("etag");
          await released(document.body);
          if (!this.stopped) show(view);
        }
        pause = PAUSE[this.side];
        this.report(false, offline);
      } catch (problem) {
        if (problem.status === 403) return this.stopped || gone(problem);
        if (!(problem instanceof Problem)) throw problem;
        pause = Math.min(LONGEST_PAUSE, pause * 1.5);
        this.report(true, offline);
      }
      await this.wait(pause * (0.8 + 0.4 * Math.random())); // so that a class does not ask all at once
    }
  }

  report(offline, tell) {
    if (offline !== this.offline) tell(offline);
    this.offline = offline;
  }

  // Ask again now, or as soon as the answer that is under way has come.
  poll() {
    this.asked = true;
    this.hurry();
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
  return view?.deadline == null ? null : Math.max(0, Math.ceil((view.deadline - performance.now()) / 1000));
}
