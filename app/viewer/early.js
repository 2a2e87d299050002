// Runs before Gradio does: the language, for the few words that Gradio itself shows ("de-AT" must find "de"); the theme, without
// a flash; and what Gradio's login form keeps to itself.
(() => {
  // As in preferences.js, which is a module and would come too late.
  const recall = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return history.state?.[name] ?? null;
    }
  };
  const [language] = (recall("medmamba-language") ?? navigator.language).split("-");
  Object.defineProperty(navigator, "language", { get: () => language });
  Object.defineProperty(navigator, "languages", { get: () => [language] });
  const dark = recall("medmamba-theme") !== "light";
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  document.documentElement.style.background = dark ? "#101316" : "#f5f6f7";
  // The form tells of wrong passwords alone, and goes on saying so when there were too many and the right one is no longer tried.
  const send = window.fetch;
  window.fetch = async (...request) => {
    const response = await send(...request);
    if (response.status === 429 && new URL(response.url).pathname.endsWith("/login")) alert(await response.clone().text());
    return response;
  };
})();
