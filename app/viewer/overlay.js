// The evidence map over a picture: interpolated between the centres of its cells, coloured, transparent where weak.
//
// 1 on the scale is `reference`, evidence that counts as strong; maps are never stretched to look hot.

const STOPS = {
  cividis:
    "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a716f70737676767d7c78848279" +
    "8c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25edec958e7d150f0d846f9e03afee838",
  viridis:
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c1f988b" +
    "1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725",
  inferno:
    "0000040403120b0724150b37210c4a2f0a5b3d09654a0c6b57106e64156e71196e7d1e6d8a226a972766a32c61b0315bbc3754c73e4c" +
    "d24644db503be45a31eb6628f1731df68013f98e09fb9d07fcac11fbbc21f9cb35f5db4cf2ea69f3f68afcffa4",
  grey: "000000ffffff",
  signed:
    "2d004b390c5e4518715225845f3a916d529c7b6aa88a7eb39990bfa9a1cbb7b1d5c3c0ddcfcfe5dadcece4e5f0eeeef3f7f7f6f9efe1" +
    "fce8cdfee1b9fed59ffdc885fdbc6bf7ac52ee9b39e58a20d97b12cb6e0dbd6109ae55069e4c078d43077f3b08",
};
export const COLORMAPS = ["cividis", "viridis", "inferno", "grey"];
const FULL_COLOUR = 0.4; // share of the scale from which the colour is as opaque as the slider allows
const LONGEST = 448; // pixels of the drawn map

const tables = Object.fromEntries(Object.entries(STOPS).map(([name, stops]) => [name, table(stops)]));

function table(stops) {
  const colours = stops.match(/.{6}/g).map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (colours.length - 1), low = Math.floor(place), high = Math.min(low + 1, colours.length - 1);
    return colours[low].map((part, k) => Math.round(part + (colours[high][k] - part) * (place - low)));
  });
}

// [r, g, b, opacity 0..1] of evidence on the scale -1..1.
export function colourOf(share, colormap, signed) {
  const strength = signed ? Math.abs(share) : share;
  const index = Math.round((signed ? (share + 1) / 2 : Math.max(0, share)) * 255);
  const [r, g, b] = tables[signed ? "signed" : colormap][index];
  return [r, g, b, Math.min(1, Math.max(0, strength) / FULL_COLOUR)];
}

// A canvas with the map, of the picture's shape.
export function drawMap(evidence, aspect, colormap, signed) {
  const canvas = document.createElement("canvas");
  canvas.width = aspect >= 1 ? LONGEST : Math.max(1, Math.round(LONGEST * aspect));
  canvas.height = aspect >= 1 ? Math.max(1, Math.round(LONGEST / aspect)) : LONGEST;
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const { values, reference } = evidence, rows = values.length, columns = values[0].length;
  let out = 0;
  for (let y = 0; y < canvas.height; y++) {
    const [top, bottom, down] = between(((y + 0.5) / canvas.height) * rows - 0.5, rows);
    for (let x = 0; x < canvas.width; x++) {
      const [left, right, across] = between(((x + 0.5) / canvas.width) * columns - 0.5, columns);
      const upper = values[top][left] * (1 - across) + values[top][right] * across;
      const lower = values[bottom][left] * (1 - across) + values[bottom][right] * across;
      const share = Math.min(1, Math.max(-1, (upper * (1 - down) + lower * down) / reference));
      const [r, g, b, opacity] = colourOf(share, colormap, signed);
      image.data.set([r, g, b, Math.round(opacity * 255)], out);
      out += 4;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// The two cells that a place lies between, and how far it is from the first to the second.
function between(place, count) {
  const low = Math.floor(place), clamp = (i) => Math.min(count - 1, Math.max(0, i));
  return [clamp(low), clamp(low + 1), place - low];
}

// A CSS gradient for the colour bar, drawn as the map is: transparent where weak.
export function gradient(colormap, signed) {
  const stops = Array.from({ length: 17 }, (_, i) => {
    const place = i / 16;
    const [r, g, b, opacity] = colourOf(signed ? place * 2 - 1 : place, colormap, signed);
    return `rgba(${r},${g},${b},${opacity.toFixed(2)}) ${(place * 100).toFixed(0)}%`;
  });
  return `linear-gradient(to right, ${stops.join(",")})`;
}
