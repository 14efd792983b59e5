// The requests of the assessment page.

import type { FeatureCollection, MultiPolygon, Polygon } from "geojson";

import { type Answer, api, bodyOf, request } from "../http";

export type Month = Answer<"/assessment/months">["items"][number];
export type Figures = Answer<"/assessment/months/{month}">;
export type Indicator = Figures["indicators"][number];
export type Area = Figures["items"][number];
export type Level = Figures["level"];
export type Trend = Answer<"/assessment/trend">;
/** Areas with their figures: the score and the value of each indicator. */
export type FiguresMap = FeatureCollection<
  Polygon | MultiPolygon,
  { code: string; name: string } & Record<string, number | string | null>
>;

/** The figure that is the weighted sum of the others. */
export const SCORE = "score";

export const fetchMonths = async (): Promise<Month[]> =>
  (await bodyOf(api.GET("/assessment/months"))).items;

export const fetchFigures = (month: string, level: Level) =>
  bodyOf(api.GET("/assessment/months/{month}", { params: { path: { month }, query: { level } } }));

export async function fetchFiguresMap(month: string, level: Level): Promise<FiguresMap> {
  return (await request(`/assessment/months/${month}/map?level=${level}`)).json();
}

export const fetchTrend = (code: string) =>
  bodyOf(api.GET("/assessment/trend", { params: { query: { code } } }));
