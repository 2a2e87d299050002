// What is dropped on the page: files are for the tab that is open, and nothing takes the page away.

// While an element is shown and isOpen(), files dropped anywhere on the page are its own: take(transfer).
export function catchDrops(element, take, isOpen = () => true) {
  const isOurs = (event) => element.offsetParent && isOpen() && hasFiles(event);
  const light = (on) => element.classList.toggle("mm-dropping", on);
  document.addEventListener("dragover", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    light(true);
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => !relatedTarget && light(false));
  document.addEventListener("dragend", () => light(false));
  document.addEventListener("drop", (event) => {
    light(false);
    if (!isOurs(event)) return;
    event.preventDefault();
    take(event.dataTransfer);
  });
}

// A browser leaves the page for a file or a link that is dropped on it. Fields go on taking text, and files where they are for them.
export function stayOnDrops() {
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => {
      const field = event.target.closest?.("input, textarea");
      if (event.defaultPrevented || (field && (field.type === "file" || !hasFiles(event)))) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "none"; // the pointer shows that nothing would come of it
    });
  }
}

function hasFiles({ dataTransfer }) {
  return dataTransfer.types.includes("Files");
}
