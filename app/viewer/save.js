const BOM = "\ufeff"; // without it Excel takes UTF-8 for something else
const PROMPT = 60000; // milliseconds: Safari asks first, and reads the content after a yes

// Offers content as a download.
export function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(type === "text/csv" ? [BOM, content] : [content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), PROMPT);
}
