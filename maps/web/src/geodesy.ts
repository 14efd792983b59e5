// Distances in degrees.

/** Metres of a degree eastwards and northwards at a latitude (WGS 84 series). */
export function metresPerDegree(latitude: number): [number, number] {
  const angle = (latitude * Math.PI) / 180;
  return [
    111_412.84 * Math.cos(angle) - 93.5 * Math.cos(3 * angle),
    111_132.92 - 559.82 * Math.cos(2 * angle),
  ];
}
