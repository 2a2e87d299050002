// Runs before Gradio does: the language, for the few words that Gradio itself shows ("de-AT" must find "de"); and the theme,
// without a flash.
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
})();
