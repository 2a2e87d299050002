// Where the picture lies on the screen: shared by all panes, so that they move together.

export class View {
  constructor() {
    this.home();
  }

  // Upright, fitted to the pane.
  home() {
    this.zoom = null; // screen pixels for a picture pixel; null fits
    this.centre = [0.5, 0.5]; // the point of the picture in the middle of the pane, as shares of its sides
    this.turns = 0; // quarter turns clockwise
    this.mirrored = false;
  }

  scale(picture, width, height) {
    if (this.zoom) return this.zoom;
    const [w, h] = this.turns % 2 ? [picture.height, picture.width] : [picture.width, picture.height];
    return Math.min(width / w, height / h);
  }

  // Picture pixels -> CSS pixels of the pane.
  matrix(picture, width, height) {
    const scale = this.scale(picture, width, height);
    const matrix = new DOMMatrix([1, 0, 0, 1, width / 2, height / 2]);
    if (this.mirrored) matrix.scaleSelf(-1, 1);
    matrix.rotateSelf(90 * this.turns);
    matrix.scaleSelf(scale, scale);
    return matrix.translateSelf(-this.centre[0] * picture.width, -this.centre[1] * picture.height);
  }

  toPicture(picture, width, height, x, y) {
    const point = this.matrix(picture, width, height).inverse().transformPoint(new DOMPoint(x, y));
    return [point.x, point.y];
  }

  // The rectangle of the picture, in its pixels, that a pane shows.
  visible(picture, width, height) {
    const corners = [[0, 0], [width, height]].map(([x, y]) => this.toPicture(picture, width, height, x, y));
    const span = (axis, side) => {
      const ends = corners.map((corner) => Math.min(side, Math.max(0, Math.round(corner[axis])))).sort((a, b) => a - b);
      return [ends[0], ends[1] - ends[0]];
    };
    const [[left, across], [top, down]] = [span(0, picture.width), span(1, picture.height)];
    return { left, top, width: across, height: down };
  }

  pan(picture, width, height, dx, dy) {
    const from = this.toPicture(picture, width, height, 0, 0), to = this.toPicture(picture, width, height, dx, dy);
    this.centre[0] = Math.min(1, Math.max(0, this.centre[0] - (to[0] - from[0]) / picture.width));
    this.centre[1] = Math.min(1, Math.max(0, this.centre[1] - (to[1] - from[1]) / picture.height));
  }

  // Zooms so that the point of the picture under (x, y) stays there.
  zoomAt(picture, width, height, x, y, factor) {
    const fitted = new View().scale(picture, width, height), now = this.scale(picture, width, height);
    const [px, py] = this.toPicture(picture, width, height, x, y);
    this.zoom = Math.min(Math.max(now * factor, Math.min(fitted, 1) / 4), Math.max(fitted, 1) * 32);
    const [qx, qy] = this.toPicture(picture, width, height, x, y);
    this.centre[0] += (px - qx) / picture.width;
    this.centre[1] += (py - qy) / picture.height;
  }

  // Quarter turns and mirrorings of what is on the screen.
  rotate() {
    this.turns = (this.turns + (this.mirrored ? 3 : 1)) % 4;
  }

  mirrorLeftRight() {
    this.mirrored = !this.mirrored;
  }

  mirrorTopBottom() {
    this.mirrored = !this.mirrored;
    this.turns = (this.turns + 2) % 4;
  }

  // What the letters [left, right, top, bottom] of the upright picture become.
  letters(orientation) {
    const [left, right, top, bottom] = orientation;
    let round = [top, right, bottom, left];
    for (let i = 0; i < this.turns; i++) round = [round[3], round[0], round[1], round[2]];
    if (this.mirrored) round = [round[0], round[3], round[2], round[1]];
    return { top: round[0], right: round[1], bottom: round[2], left: round[3] };
  }
}
