// What the control page and the projector share.

// The address that students open; the teacher's browser knows how the server is reached.
export function joinLink(code) {
  return new URL(`./#${code}`, location.href).href;
}

export async function qrCode(room, image) {
  const response = await room.ask("GET", `qr.svg?link=${encodeURIComponent(joinLink(room.code))}`);
  image.src = URL.createObjectURL(await response.blob());
}

export async function takeStep(room, view, step) {
  await room.ask("POST", `steps?step=${step}&version=${view.version}`);
  room.poll();
}
