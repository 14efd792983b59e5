// Icons of the tools: paths in a 20 x 20 box.

export const ICONS = {
  click: "M5 3l10 7-4.6 1L8 16z",
  brush: "M13 3l4 4-7 7H6v-4zM4 17h12",
  lasso: "M10 4c4 0 7 1.8 7 4.2S14 12.500 10 12.500 3 10.700 3 8.300 6 4 10 4zM6 12l-1 5 3-1",
  rectangle: "M3 5h14v10H3z",
  compound: "M3 17V8l5-4 5 4v9M13 17V6h4v11M3 17h14M6 11h3M6 14h3",
  dedicated: "M10 3l7 5-2.600 9H5.600L3 8zM10 8v5M7.500 10.500h5",
  comment: "M3 4h14v10H9l-4 3v-3H3z",
  border: "M3 4h5v5h4v5h5M3 16l3-3M14 7l3-3M14 4h3v3",
  eraser: "M8 17h9M3 12l7-8 6 5-7 8H6z",
  undo: "M7 4L3 8l4 4M3 8h8a5 5 0 0 1 0 9H8",
  redo: "M13 4l4 4-4 4M17 8H9a5 5 0 0 0 0 9h3",
  lock: "M6 9V6.500a4 4 0 0 1 8 0V9M4.500 9h11v8h-11z",
  unlock: "M6 9V6.500a4 4 0 0 1 7.600-1.700M4.500 9h11v8h-11z",
  next: "M4 10h11M11 5l5 5-5 5",
  split: "M10 3v14M3 6l4 4-4 4M17 6l-4 4 4 4",
  merge: "M3 10h5M17 10h-5M6 7l3 3-3 3M14 7l-3 3 3 3",
} as const;

export type IconName = keyof typeof ICONS;
