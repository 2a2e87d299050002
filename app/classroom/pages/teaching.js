// What the control page and the projector share.

// The address that students open; the teacher's browser knows how the server is reached.
export function joinLink(code) {
  return new URL(`./#${code}`, location.href).href;
}

// Puts the room's QR code into an image, unless it is there; where it is lost on the way, the next view of the room asks again.
export async function showQrCode(room, image) {
  if (image.src) return;
  try {
    const response = await room.ask("GET", `qr.svg?link=${encodeURIComponent(joinLink(room.code))}`);
    image.src = URL.createObjectURL(await response.blob());
  } catch {
    // the code and the link stand beside it
  }
}

let left = null; // the view whose step is taken: a second press, before the next view is there, means the same step

export async function takeStep(room, view, step) {
  if (view === left) return;
  left = view;
  try {
    await room.ask("POST", `steps?step=${step}&version=${view.version}`);
  } catch (problem) {
    left = null;
    throw problem;
  }
  room.poll();
}
