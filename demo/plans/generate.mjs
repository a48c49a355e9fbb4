// Draws the demo halls. `node demo/plans/generate.mjs` rewrites the three plans
// beside this file, each time to the same bytes.
//
// All plans are drawn as the audience reads them: the stage is at the top, and
// one unit is about one pixel. Rows are arcs around a focus somewhere behind
// the stage, because that is how halls turn every seat towards it.

import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import {
  DESK, FLOOR, SERVICE, STAGE, arcBand, arcRow, circle, cut, label, mirrored, numbers,
  oddAndEven, polygon, rectangle, rounded, tableRow, wallRow, written, zone,
} from "./drawing.mjs";

// The colours of Okabe and Ito, which stay apart for colour-blind people too.
const BLUE = "#0072b2";
const SKY = "#56b4e9";
const ORANGE = "#e69f00";
const VERMILION = "#d55e00";
const GREEN = "#009e73";
const PURPLE = "#cc79a7";

// Houses skip I and O, which look like 1 and 0 on a ticket.
const ROW_LETTERS = [..."ABCDEFGHJKLMNPQRSTUVWXYZ"];

function write(file, plan, seats) {
  const drawn = plan.zones.flatMap(({ rows }) => rows.flatMap((row) => row.seats)).length;
  if (drawn !== seats) throw new Error(`${file} has ${drawn} seats instead of ${seats}`);
  writeFileSync(join(dirname(fileURLToPath(import.meta.url)), file), written(plan));
}

// ------------------------------------------------------------------ theatre

/** A playhouse with a horseshoe circle: odd seats left, even seats right. */
function lanternTheatre() {
  const middle = 560;
  const focus = { x: middle, y: -190 };
  // Left, centre and right block; the centre has one seat more in every other
  // row, so that nobody sits straight behind another head.
  const sides = [4, 4, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 7];
  const stalls = sides.map((side, index) => {
    const centre = 10 - (index % 2);
    return arcRow({
      letter: ROW_LETTERS[index],
      category: index < 9 ? "Stalls" : "Rear Stalls",
      focus,
      radius: 480 + index * 29,
      aisle: 42,
      blocks: cut(oddAndEven(2 * side + centre), [side, centre, side]),
      wheelchairs: ROW_LETTERS[index] === "P" ? [25, 23, 22, 20] : [],
    });
  });

  const circleFocus = { x: middle, y: 270 };
  const circle = [7, 8, 8, 9, 9, 10].map((side, index) => {
    const centre = 12 - (index % 2);
    return arcRow({
      letter: ROW_LETTERS[index],
      category: index < 3 ? "Circle" : "Rear Circle",
      focus: circleFocus,
      radius: 560 + index * 30,
      aisle: 42,
      blocks: cut(oddAndEven(2 * side + centre), [side, centre, side]),
      wheelchairs: ROW_LETTERS[index] === "F" ? [33, 30] : [],
    });
  });

  // Four boxes on each wall, each turned a little more towards the stage.
  const box = (index) => {
    const center = { x: 182 - index * 14, y: 268 + index * 94 };
    const turn = 0.15;
    const corner = (along, across) => ({
      x: center.x + along * Math.sin(-turn) + across * Math.cos(turn),
      y: center.y + along * Math.cos(turn) + across * Math.sin(turn),
    });
    return {
      outline: [corner(-36, -36), corner(-36, 36), corner(36, 36), corner(36, -36)],
      chairs: [corner(-14, 14), corner(14, 14), corner(-14, -14), corner(14, -14)],
    };
  };
  const boxes = (name, id, letters, place) => {
    const drawn = letters.map((_, index) => {
      const { outline, chairs } = box(index);
      return { outline: place(outline), chairs: place(chairs) };
    });
    return zone({
      name,
      id,
      at: rounded(drawn[0].outline[0]),
      areas: drawn.map(({ outline }) => polygon(outline, FLOOR)),
      rows: drawn.map(({ chairs }, index) => ({
        letter: letters[index],
        row_label: "Box %s",
        category: "Box",
        seats: chairs.map((chair, seat) => ({ ...chair, number: seat + 1, accessible: false })),
      })),
    });
  };

  return {
    name: "Lantern Theatre",
    size: { width: 2 * middle, height: 1080 },
    categories: [
      { name: "Stalls", color: BLUE },
      { name: "Rear Stalls", color: SKY },
      { name: "Circle", color: VERMILION },
      { name: "Rear Circle", color: ORANGE },
      { name: "Box", color: GREEN },
    ],
    zones: [
      zone({
        name: "Stalls",
        id: "stalls",
        at: { x: middle, y: 290 },
        areas: [
          polygon(
            [{ x: 310, y: 50 }, { x: 810, y: 50 }, { x: 770, y: 190 }, { x: 690, y: 222 },
              { x: 560, y: 234 }, { x: 430, y: 222 }, { x: 350, y: 190 }],
            STAGE, { text: "STAGE", size: 30 }, { x: middle, y: 135 },
          ),
          rectangle(500, 702, 120, 34, DESK, { text: "Sound desk", size: 15 }),
        ],
        rows: stalls,
      }),
      boxes("Boxes Left", "boxes-left", ["A", "B", "C", "D"], (points) => points),
      boxes("Boxes Right", "boxes-right", ["E", "F", "G", "H"], (points) => mirrored(points, middle)),
      zone({
        name: "Circle",
        id: "circle",
        at: { x: middle, y: 830 },
        areas: [
          polygon(arcBand({ focus: circleFocus, inner: 536, outer: 734, spread: 1.36 }), FLOOR),
          rectangle(430, 1026, 260, 40, SERVICE, { text: "Circle bar", size: 16 }),
        ],
        rows: circle,
      }),
    ],
  };
}

write("theatre.json", lanternTheatre(), 500);

// ------------------------------------------------------------- concert hall

/** A concert hall with balconies along the walls and choir seats behind the stage. */
function meridianHall() {
  const middle = 930;
  const focus = { x: middle, y: -560 };

  // The same numbers stand behind each other: the centre block begins at 21 in
  // every row and the right one at 51, however many seats the left one has.
  const parterre = ROW_LETTERS.map((letter, index) => {
    const side = 11 + Math.floor(index / 3);
    return arcRow({
      letter,
      category: index < 8 ? "Parterre Front" : "Parterre",
      focus,
      // The passage to the side doors lies behind row M.
      radius: 1180 + index * 29 + (index > 11 ? 40 : 0),
      aisle: 46,
      blocks: [numbers(side, 21 - side), numbers(22 - (index % 2), 21), numbers(side, 51)],
      wheelchairs: "NZ".includes(letter) ? [21 - side, 23 - side, 48 + side, 50 + side] : [],
    });
  });

  // Both tiers have two outer and two inner blocks, numbered through, without 13.
  const tier = ({ category, rows, radius, outer, inner, wheelchairs }) =>
    numbers(rows, 0).map((index) => {
      const half = [outer + Math.floor(index / 2), inner - (index % 2)];
      const count = 2 * (half[0] + half[1]);
      return arcRow({
        letter: ROW_LETTERS[index],
        category,
        focus,
        radius: radius + index * 29,
        aisle: 40,
        blocks: cut(numbers(count, 1, 1, [13]), [...half, half[1], half[0]]),
        wheelchairs: index === rows - 1 ? wheelchairs : [],
      });
    });

  const choirFocus = { x: middle, y: 600 };
  const choir = [26, 27, 29, 30, 31, 33].map((count, index) =>
    arcRow({
      letter: ROW_LETTERS[index],
      category: "Choir",
      focus: choirFocus,
      radius: 300 + index * 29,
      side: -1,
      aisle: 40,
      blocks: cut(numbers(count, 1, 1, [13]), [Math.floor(count / 2), Math.ceil(count / 2)]),
    }),
  );

  // The walls open away from the stage, along the ends of the parterre's rows.
  const wall = 0.24;
  const besideParterre = (away, along) => ({
    x: middle - 551 - away * Math.cos(wall) - along * Math.sin(wall),
    y: 483 - away * Math.sin(wall) + along * Math.cos(wall),
  });
  const sideBalcony = (name, id, place) => {
    const outline = [[44, -24], [134, -24], [134, 872], [44, 872]];
    const rows = [62, 89, 116].map((away, index) => {
      const row = wallRow({
        letter: ROW_LETTERS[index],
        category: "Side Balcony",
        start: besideParterre(away, 0),
        angle: Math.PI / 2 + wall,
        aisle: 28,
        blocks: cut(numbers(33, 1, 1, [13]), [11, 11, 11]),
      });
      return { ...row, seats: place(row.seats) };
    });
    const floor = place(outline.map((corner) => besideParterre(...corner)));
    return zone({ name, id, at: rounded(floor[0]), areas: [polygon(floor, FLOOR)], rows });
  };

  const stage = [[650, 572], [690, 480], [770, 390], [1090, 390], [1170, 480], [1210, 572], [930, 592]];
  return {
    name: "Meridian Hall",
    size: { width: 2 * middle, height: 1960 },
    categories: [
      { name: "Parterre Front", color: BLUE },
      { name: "Parterre", color: SKY },
      { name: "Side Balcony", color: GREEN },
      { name: "Balcony", color: VERMILION },
      { name: "Gallery", color: ORANGE },
      { name: "Choir", color: PURPLE },
    ],
    zones: [
      zone({
        name: "Parterre",
        id: "parterre",
        at: { x: middle, y: 620 },
        areas: [
          polygon(stage.map(([x, y]) => ({ x, y })), STAGE, { text: "STAGE", size: 36 },
            { x: middle, y: 490 }),
          rectangle(middle - 90, 1350, 180, 34, DESK, { text: "Mixing desk", size: 16 }),
        ],
        rows: parterre,
      }),
      zone({
        name: "Choir",
        id: "choir",
        at: { x: middle, y: 300 },
        areas: [
          polygon(arcBand({ focus: choirFocus, inner: 280, outer: 466, spread: 2.3, side: -1 }), FLOOR),
          rectangle(middle - 170, 36, 340, 76, SERVICE, { text: "Organ", size: 22 }),
        ],
        rows: choir,
      }),
      sideBalcony("Side Balcony Left", "side-left", (points) => points),
      sideBalcony("Side Balcony Right", "side-right", (points) => mirrored(points, middle)),
      zone({
        name: "Balcony",
        id: "balcony",
        at: { x: middle, y: 1407 },
        areas: [polygon(arcBand({ focus, inner: 1945, outer: 2192, spread: 0.76 }), FLOOR)],
        rows: tier({
          category: "Balcony", rows: 8, radius: 1967, outer: 14, inner: 13,
          wheelchairs: [1, 3, 57, 59],
        }),
      }),
      zone({
        name: "Gallery",
        id: "gallery",
        at: { x: middle, y: 1690 },
        areas: [
          polygon(arcBand({ focus, inner: 2228, outer: 2417, spread: 0.74 }), FLOOR),
          rectangle(middle - 160, 1890, 320, 44, SERVICE, { text: "Foyer bar", size: 18 }),
        ],
        rows: tier({
          category: "Gallery", rows: 6, radius: 2250, outer: 16, inner: 14,
          wheelchairs: [1, 63],
        }),
      }),
    ],
  };
}

write("concert-hall.json", meridianHall(), 2400);

// --------------------------------------------------------------------- club

/** A club: standing room before the stage, a gallery around it, tables and a terrace. */
function copperRoom() {
  const middle = 600;
  const focus = { x: middle, y: 230 };
  const rear = [19, 21].map((count, index) =>
    arcRow({
      letter: ROW_LETTERS[index],
      category: "Gallery",
      focus,
      radius: 526 + index * 30,
      aisle: 40,
      blocks: cut(numbers(count), [Math.floor(count / 2), Math.ceil(count / 2)]),
    }),
  );

  const sideGallery = (name, id, place) => {
    const corners = [{ x: 214, y: 236 }, { x: 292, y: 236 }, { x: 292, y: 552 }, { x: 214, y: 552 }];
    const rows = [268, 238].map((x, index) => {
      const row = wallRow({
        letter: ROW_LETTERS[index],
        category: "Gallery",
        start: { x, y: 262 },
        angle: Math.PI / 2,
        blocks: [numbers(12)],
      });
      return { ...row, seats: place(row.seats) };
    });
    const floor = place(corners);
    return zone({ name, id, at: rounded(floor[0]), areas: [polygon(floor, FLOOR)], rows });
  };

  const tables = [300, 400, 500].flatMap((y) => [{ x: 120, y }, { x: 1080, y }]);
  // Each wheelchair place has a chair for company beside it.
  const terrace = wallRow({
    letter: "T",
    category: "Terrace",
    start: { x: 501, y: 664 },
    angle: 0,
    blocks: [numbers(8)],
    wheelchairs: [1, 3, 5, 7],
  });
  const floor = [
    { x: 420, y: 232 }, { x: 780, y: 232 }, { x: 880, y: 300 }, { x: 880, y: 560 },
    { x: 800, y: 620 }, { x: 400, y: 620 }, { x: 320, y: 560 }, { x: 320, y: 300 },
  ];
  return {
    name: "The Copper Room",
    size: { width: 2 * middle, height: 960 },
    categories: [
      { name: "Standing", color: VERMILION },
      { name: "Gallery", color: BLUE },
      { name: "Lounge", color: ORANGE },
      { name: "Terrace", color: GREEN },
    ],
    zones: [
      zone({
        name: "Floor",
        id: "floor",
        at: { x: middle, y: 420 },
        areas: [
          polygon(
            [{ x: 400, y: 50 }, { x: 800, y: 50 }, { x: 780, y: 196 }, { x: 600, y: 214 },
              { x: 420, y: 196 }],
            STAGE, { text: "STAGE", size: 28 }, { x: middle, y: 128 },
          ),
          polygon(floor, FLOOR, { text: "Standing room", size: 26 }, { x: middle, y: 400 }),
          rectangle(middle - 70, 572, 140, 36, DESK, { text: "Mixing desk", size: 15 }),
          rectangle(400, 862, 400, 48, SERVICE, { text: "Bar", size: 20 }),
          rectangle(60, 862, 180, 48, SERVICE, { text: "Cloakroom", size: 16 }),
          label(1050, 886, "Entrance"),
          label(264, 606, "Stairs", 14),
          label(936, 606, "Stairs", 14),
        ],
        standing: { capacity: 800, category: "Standing" },
      }),
      zone({
        name: "Terrace",
        id: "terrace",
        at: { x: middle, y: 664 },
        areas: [rectangle(472, 640, 256, 48, FLOOR)],
        rows: [terrace],
      }),
      sideGallery("Gallery Left", "gallery-left", (points) => points),
      sideGallery("Gallery Right", "gallery-right", (points) => mirrored(points, middle)),
      zone({
        name: "Gallery",
        id: "gallery",
        at: { x: middle, y: 740 },
        areas: [polygon(arcBand({ focus, inner: 504, outer: 580, spread: 1.06 }), FLOOR)],
        rows: rear,
      }),
      zone({
        name: "Lounge",
        id: "lounge",
        at: { x: 120, y: 300 },
        areas: tables.map(({ x, y }, index) =>
          circle(x, y, 19, SERVICE, { text: String(index + 1), size: 15 })),
        rows: tables.map((center, index) =>
          tableRow({
            letter: String(index + 1),
            row_label: "table %s",
            seat_label: "chair %s",
            category: "Lounge",
            center,
            radius: 36,
            chairs: 4,
          })),
      }),
    ],
  };
}

write("club.json", copperRoom(), 120);
