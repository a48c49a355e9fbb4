// What the demo halls are drawn with: numbers on seats, rows along arcs and
// walls, shapes, and the document that they end up in. Knows no hall.

const SEAT_PITCH = 24;
const WHEELCHAIR_PITCH = 34;

// ---------------------------------------------------------------- numbering

/** `count` numbers from `first`, in steps of `step`, without those in `skip`. */
export function numbers(count, first = 1, step = 1, skip = []) {
  const found = [];
  for (let number = first; found.length < count; number += step) {
    if (!skip.includes(number)) found.push(number);
  }
  return found;
}

/** Odd numbers to the left of the middle, even ones to the right, and no 13. */
export function oddAndEven(count) {
  const odd = numbers(Math.ceil(count / 2), 1, 2, [13]);
  const even = numbers(Math.floor(count / 2), 2, 2);
  return [...odd.reverse(), ...even];
}

/** Cuts a row into blocks of these sizes. */
export function cut(row, sizes) {
  let start = 0;
  return sizes.map((size) => row.slice(start, (start += size)));
}

// ----------------------------------------------------------------- geometry

/** Rounded to a tenth, and never to -0. */
const tenth = (value) => Math.round(value * 10) / 10 + 0;

/**
 * Where the seats of a row stand along its middle line, from the row's centre:
 * blocks side by side, an aisle between each two. A wheelchair needs more room.
 */
function alongRow(blocks, aisle, wheelchairs) {
  const pitchOf = (number) => (wheelchairs.includes(number) ? WHEELCHAIR_PITCH : SEAT_PITCH);
  const aisles = aisle * (blocks.length - 1);
  const length = blocks.flat().reduce((total, number) => total + pitchOf(number), aisles);
  let along = -length / 2;
  return blocks.flatMap((block, index) => {
    if (index > 0) along += aisle;
    return block.map((number) => {
      const pitch = pitchOf(number);
      along += pitch;
      return { number, along: along - pitch / 2, accessible: wheelchairs.includes(number) };
    });
  });
}

/** A row on an arc around `focus`; `side` is 1 below the focus and -1 above it. */
export function arcRow({ focus, radius, side = 1, blocks, aisle = 0, wheelchairs = [], ...row }) {
  const seats = alongRow(blocks, aisle, wheelchairs).map(({ along, ...seat }) => ({
    ...seat,
    x: focus.x + radius * Math.sin(along / radius),
    y: focus.y + side * radius * Math.cos(along / radius),
  }));
  return { ...row, seats };
}

/** A straight row from `start` in a direction, as along the wall of a hall. */
export function wallRow({ start, angle, blocks, aisle = 0, wheelchairs = [], ...row }) {
  const placed = alongRow(blocks, aisle, wheelchairs);
  const offset = -placed[0].along;
  const seats = placed.map(({ along, ...seat }) => ({
    ...seat,
    x: start.x + (along + offset) * Math.cos(angle),
    y: start.y + (along + offset) * Math.sin(angle),
  }));
  return { ...row, seats };
}

/** Chairs around a round table. */
export function tableRow({ center, radius, chairs, ...row }) {
  const seats = numbers(chairs).map((number) => {
    const angle = ((number - 0.5) / chairs) * 2 * Math.PI;
    return {
      number,
      x: center.x + radius * Math.sin(angle),
      y: center.y - radius * Math.cos(angle),
      accessible: false,
    };
  });
  return { ...row, seats };
}

/** The outline of a band of arcs that spans an angle: the floor of a balcony. */
export function arcBand({ focus, inner, outer, spread, side = 1 }) {
  const edge = (radius) =>
    numbers(17, -8).map((step) => ({
      x: focus.x + radius * Math.sin((step / 16) * spread),
      y: focus.y + side * radius * Math.cos((step / 16) * spread),
    }));
  return [...edge(inner), ...edge(outer).reverse()];
}

/** The same thing on the other side of the hall. */
export const mirrored = (points, axis) =>
  points.map(({ x, ...rest }) => ({ ...rest, x: 2 * axis - x }));

// -------------------------------------------------------------------- areas

export const STAGE = { color: "#3d4350", border_color: "#22262e", textColor: "#ffffff" };
export const DESK = { color: "#5b6270", border_color: "#3d4350", textColor: "#ffffff" };
export const FLOOR = { color: "#eef1f5", border_color: "#c3cad5", textColor: "#4a5160" };
export const SERVICE = { color: "#dfe5ec", border_color: "#aab4c2", textColor: "#3d4350" };

const NO_TEXT = { text: "", size: 16 };

function area(shape, at, look, words, geometry, textAt) {
  const { textColor, ...colors } = look;
  const { text, size } = words;
  return {
    shape,
    ...colors,
    rotation: 0,
    position: at,
    ...geometry,
    text: { text, color: textColor, size, position: textAt },
  };
}

/** A rectangle from its upper left corner. */
export const rectangle = (x, y, width, height, look, words = NO_TEXT) =>
  area("rectangle", { x, y }, look, words, { rectangle: { width, height } },
    { x: width / 2, y: height / 2 });

export const circle = (x, y, radius, look, words = NO_TEXT) =>
  area("circle", { x, y }, look, words, { circle: { radius } }, { x: 0, y: 0 });

/** A polygon of points in the plan; its own position is where its text goes. */
export const polygon = (points, look, words = NO_TEXT, at = points[0]) =>
  area("polygon", at, look, words,
    { polygon: { points: points.map(({ x, y }) => ({ x: x - at.x, y: y - at.y })) } },
    { x: 0, y: 0 });

/** Words without a shape. */
export const label = (x, y, text, size = 18) =>
  area("text", { x, y }, { color: "#4a5160", border_color: "#4a5160", textColor: "#4a5160" },
    { text, size }, {}, { x: 0, y: 0 });

// ----------------------------------------------------------------- document

const ORIGIN = { x: 0, y: 0 };

/** A point relative to another one, with all that it needs of decimals. */
const from = (origin, { x, y }) => ({ x: tenth(x - origin.x), y: tenth(y - origin.y) });

/** A point of the plan in round figures. */
export const rounded = (point) => from(ORIGIN, point);

/**
 * A zone of the document. Everything is drawn in the coordinates of the plan;
 * the format wants seats relative to rows, and rows and areas relative to zones.
 */
export function zone({ name, id, at, rows = [], areas = [], standing }) {
  return {
    name,
    zone_id: id,
    position: at,
    areas: areas.map((shape) => {
      const points = shape.polygon?.points.map(rounded);
      return {
        ...shape,
        ...(points && { polygon: { points } }),
        position: from(at, shape.position),
      };
    }),
    rows: rows.map(({ letter, category, seats, ...words }) => {
      const first = rounded(seats[0]);
      return {
        row_number: letter,
        ...words,
        row_number_position: "both",
        position: from(at, first),
        seats: seats.map((seat) => ({
          seat_guid: `${id}-${letter}-${seat.number}`,
          seat_number: String(seat.number),
          category,
          position: from(first, rounded(seat)),
          ...(seat.accessible && { accessible: true }),
        })),
      };
    }),
    ...(standing && { general_admission: standing }),
  };
}

/** JSON with a line for each category, area and seat: short, and fit for a diff. */
export function written(plan) {
  const lines = (list, indent) =>
    list.length === 0
      ? "[]"
      : `[\n${list.map((item) => indent + item).join(",\n")}\n${indent.slice(1)}]`;
  const object = (entries) =>
    `{${entries.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",")}}`;
  const flat = (list) => list.map((item) => JSON.stringify(item));
  const row = (content) =>
    object(Object.entries(content).map(([key, value]) =>
      [key, key === "seats" ? lines(flat(value), "     ") : JSON.stringify(value)]));
  const part = (content) =>
    object(Object.entries(content).map(([key, value]) => {
      if (key === "rows") return [key, lines(value.map(row), "    ")];
      if (key === "areas") return [key, lines(flat(value), "    ")];
      return [key, JSON.stringify(value)];
    }));
  return `{
"name":${JSON.stringify(plan.name)},
"size":${JSON.stringify(plan.size)},
"categories":${lines(flat(plan.categories), " ")},
"zones":${lines(plan.zones.map(part), "  ")}
}
`;
}
