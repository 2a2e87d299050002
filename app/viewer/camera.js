// A photograph from this device's camera, through a small dialog. Nothing is recorded; the camera is let go when it closes.

import { show } from "./page.js";

const REASONS = { NotAllowedError: "camera.denied", SecurityError: "camera.denied", NotFoundError: "camera.none" };

// Phones and tablets have a better camera program than a page can be: a file input opens that.
export function hasCameraProgram() {
  return matchMedia("(pointer: coarse)").matches;
}

// take(file) is given the photograph, fail(sentence) what went wrong.
export async function photograph(words, take, fail) {
  if (!navigator.mediaDevices) return fail(words["camera.insecure"]);
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } });
  } catch (error) {
    return fail(words[REASONS[error.name] ?? "camera.busy"]);
  }
  const body = `<video autoplay playsinline muted aria-label="${words["camera.view"]}"></video>
    <p class="mm-camera-take"><button type="button" class="mm-primary">${words["camera.take"]}</button></p>`;
  const dialog = show("camera", words["camera.title"], body, words["camera.cancel"]);
  const video = dialog.querySelector("video"), button = dialog.querySelector("[type=button]");
  video.srcObject = stream;
  button.disabled = true;
  video.addEventListener("playing", () => ((button.disabled = false), button.focus()));
  button.addEventListener("click", async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    dialog.close();
    take(await new Promise((resolve) => canvas.toBlob(resolve, "image/png")));
  });
  dialog.addEventListener("close", () => stream.getTracks().forEach((track) => track.stop()));
}
